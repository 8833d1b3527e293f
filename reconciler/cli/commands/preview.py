"""`tunnelwright preview`: shows what a commit changes, from its revisions or compared with the routers."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

from reconciler.cli import access, collector
from reconciler.cli.installed import version
from reconciler.cli.out_file import write_out
from reconciler.cli.output import document, note
from reconciler.cli.preview_view import preview_code, preview_lines, preview_objects
from reconciler.forges.choose import Surroundings, forge, surroundings
from reconciler.forges.forge import Forge, Kind
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.operations.commit import Commit, preview_commit
from reconciler.policy import Judgement
from reconciler.report import markdown
from reconciler.report.json.lines import dump, version_line
from reconciler.report.junit import junit
from reconciler.report.line import joined
from reconciler.report.markdown import MARK
from reconciler.report.sarif import sarif
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore, read_private


def run(arguments: argparse.Namespace) -> int:
    """Plan from one revision to the other, report, and keep the comment."""
    if (arguments.lab or arguments.secrets or arguments.stand_in_keys) and not arguments.live:
        raise TunnelwrightError("--lab, --secrets and --stand-in-keys need --live", hint="add --live")
    forge = _forge(arguments) if arguments.comment is not None else None

    def live(head: Fabric) -> tuple[SecretStore, Fleet]:
        return access.secret_store(arguments), access.fleet_of(head, arguments)

    commit = collector.keep(
        preview_commit(
            arguments.tree,
            arguments.base,
            arguments.head,
            datetime.now(UTC),
            stream=sys.stdin.buffer if arguments.head == "-" else None,
            live=live if arguments.live else None,
            uncommitted=lambda: note(
                f"{arguments.tree} has uncommitted changes; the preview is of {arguments.head} without them"
            ),
        )
    )
    _write(arguments, _report(arguments.format, commit, whole=arguments.verbose))
    if forge is not None:
        forge.put_comment(arguments.comment, MARK, _report("markdown", commit, whole=False))
    code = preview_code(commit)
    if code is not ExitCode.OK:
        return code
    changes = commit.step is not None and not commit.step.plan.empty
    return ExitCode.CHANGES if arguments.detailed_exitcode and changes else ExitCode.OK


def _forge(arguments: argparse.Namespace) -> Forge:
    """What the arguments name; what they do not name is what the environment of a CI job says."""
    there = surroundings(os.environ)
    kind = Kind(arguments.forge) if arguments.forge else there.kind
    if kind is not there.kind:
        # The token of one forge is nothing for another.
        there = Surroundings()
    token = read_private(arguments.token_file) if arguments.token_file else there.token
    if kind is None:
        raise TunnelwrightError("this is not a known CI job", hint="name --forge, --project, --token-file")
    if token is None:
        names = "GITLAB_TOKEN" if kind is Kind.GITLAB else "GITHUB_TOKEN"
        raise TunnelwrightError(
            "there is no token to comment with", hint=f"set {names}, or name --token-file"
        )
    return forge(kind, arguments.forge_url or there.url, arguments.project or there.project, token)


def _report(form: str, commit: Commit, *, whole: bool) -> str:
    match form:
        case "sarif":
            return sarif(commit.found, version())
        case "junit":
            return junit(commit.found, commit.files)
        case "markdown":
            return _comment(commit)
        case "json":
            return "".join(f"{line}\n" for line in dump([version_line(version()), *preview_objects(commit)]))
    return joined(preview_lines(commit, whole=whole))


def _comment(commit: Commit) -> str:
    step = commit.step
    return markdown.comment(
        step.plan if step is not None else None,
        step.judgement if step is not None else Judgement(),
        step.notes if step is not None else (),
        commit.found,
        base=(commit.before.revision or "")[:12],
        head=(commit.after.revision or "")[:12],
        unchanged=step.unchanged if step is not None else "",
        now=step.now if step is not None else None,
    )


def _write(arguments: argparse.Namespace, text: str) -> None:
    if arguments.out is None:
        document(text)
    else:
        write_out(arguments.out, text.encode())
