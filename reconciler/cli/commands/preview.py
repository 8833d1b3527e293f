"""`tunnelwright preview`: what a commit changes, by its revisions alone or on the routers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import options
from reconciler.model.errors import ExitCode, TunnelwrightError

if TYPE_CHECKING:
    from reconciler.forges.forge import Forge
    from reconciler.load import Composed, Loaded
    from reconciler.model.diagnostic import Diagnostic
    from reconciler.model.fabric import Fabric
    from reconciler.operations.revisions import Transition

FORMATS = ("text", "markdown", "json", "sarif", "junit")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("preview", help="what a commit changes, by revisions or on routers")
    options.add_folder(parser)
    parser.add_argument(
        "--base",
        metavar="REV",
        help="the revision that is applied (where the branch left the default branch)",
    )
    parser.add_argument("--head", default="HEAD", metavar="REV", help="the revision to apply (%(default)s)")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="%(default)s; json is lines of objects"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there in place of standard output")
    parser.add_argument("--detailed-exitcode", action="store_true", help="end with 2 when there are changes")
    parser.add_argument(
        "--live", action="store_true", help="plan it from what is on the routers, which needs the keys"
    )
    options.add_routers(parser)
    forge = parser.add_argument_group(
        "comment on a pull or merge request", "what is not given is taken from the CI job's environment"
    )
    forge.add_argument("--comment", type=int, metavar="NUMBER", help="make or update the one comment there")
    forge.add_argument("--forge", choices=("github", "gitlab", "gitea"), help="gitea is Forgejo too")
    forge.add_argument("--forge-url", default="", metavar="URL", help="the address of its API")
    forge.add_argument("--project", default="", metavar="OWNER/NAME", help="for GitLab a number as well")
    forge.add_argument("--token-file", type=Path, metavar="FILE", help="the token, for its owner alone")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load both revisions, plan from one to the other, report."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from reconciler.cli.output import say  # noqa: PLC0415
    from reconciler.load.revision import (  # noqa: PLC0415
        default_base,
        has_uncommitted,
        load_revision,
        place_in_repository,
    )
    from reconciler.model.diagnostic import Diagnostics, reported  # noqa: PLC0415
    from reconciler.operations.revisions import between  # noqa: PLC0415
    from reconciler.validate import validate  # noqa: PLC0415

    if (arguments.lab or arguments.secrets or arguments.stand_in_keys) and not arguments.live:
        raise TunnelwrightError("--lab and keys are for asking the routers", hint="add --live")
    forge = _forge(arguments) if arguments.comment is not None else None
    tree: Path = arguments.tree
    base = arguments.base or default_base(tree, arguments.head)
    composed: Composed = {}
    before = load_revision(tree, base, missing_is_empty=True, composed=composed)
    after = load_revision(tree, arguments.head, composed=composed)
    if has_uncommitted(tree, after, composed):
        say(f"note: {tree} has uncommitted changes; the preview is of {arguments.head} without them")
    head, findings = validate(after)
    # Forges name files from the root of the repository.
    place = place_in_repository(tree)
    placed = [item.below(place) for item in reported(findings)]
    step: Transition | None = None
    if not findings.errors:
        there, problems = validate(before)
        # Of a base that is not valid nobody knows what is applied: all of the head would look new.
        if problems.errors:
            note = Diagnostics()
            first = problems.errors[0].below(place)
            note.warning(
                "base-not-valid", first.location, f"{base} is not valid, so what changes is not known"
            )
            placed += note
        else:
            step = between(there, head, datetime.now(UTC))
            if arguments.live:
                step = _on_routers(arguments, step, there, head)
    files = [f"{place}/{document.file}" if place else document.file for document in after.documents]
    _write(arguments, _report(arguments.format, step, placed, files=files, before=before, after=after))
    if forge is not None:
        from reconciler.report.markdown import MARK  # noqa: PLC0415

        text = _report("markdown", step, placed, files=files, before=before, after=after)
        forge.put_comment(arguments.comment, MARK, text)
    if findings.errors:
        return ExitCode.INVALID
    if step is not None and step.judgement.refusals:
        return ExitCode.UNSAFE
    changes = step is not None and not step.plan.empty
    return ExitCode.CHANGES if arguments.detailed_exitcode and changes else ExitCode.OK


def _on_routers(arguments: argparse.Namespace, commit: Transition, base: Fabric, head: Fabric) -> Transition:
    """The same commit, planned from what is on the routers.

    Raises SecretUnavailable, KeysDiffer, and WeakKey. A router that does not answer is part of the plan.
    """
    from reconciler.cli.workspace import connector, secret_store  # noqa: PLC0415
    from reconciler.operations.desired import check_keys, shown_by_files  # noqa: PLC0415
    from reconciler.operations.preview import judge_preview, narrowed, preview, within_limits  # noqa: PLC0415
    from reconciler.operations.revisions import Transition, left_alone  # noqa: PLC0415
    from reconciler.plan.commit import compared, touched_by, unchanged  # noqa: PLC0415

    store = secret_store(arguments)
    whole = preview(
        head, store, connector(head, arguments.lab, arguments.links), parallelism=arguments.parallelism
    )
    mine = narrowed(whole, touched_by(commit.plan, base, head))
    mine, judgement = judge_preview(mine, shown_by_files(head, store, mine.observation.states))
    now = within_limits(mine, judgement).plan
    check_keys(head, now)
    notes = (*left_alone(base, head), *compared(commit.plan, mine.plan, whole.plan))
    said = commit.unchanged if commit.plan.empty else unchanged(commit.plan, mine.plan)
    return Transition(mine.plan, now, judgement, notes, said)


def _forge(arguments: argparse.Namespace) -> Forge:
    """What the arguments name; what they do not name is what the environment of a CI job says."""
    import os  # noqa: PLC0415

    from reconciler.forges.choose import Surroundings, forge, surroundings  # noqa: PLC0415
    from reconciler.forges.forge import Kind  # noqa: PLC0415
    from reconciler.secrets import read_private  # noqa: PLC0415

    there = surroundings(os.environ)
    kind = Kind(arguments.forge) if arguments.forge else there.kind
    if kind is not there.kind:
        # The token of one forge is nothing for another.
        there = Surroundings()
    token = read_private(arguments.token_file) if arguments.token_file else there.token
    if kind is None:
        raise TunnelwrightError(
            "this is no CI job that is known", hint="name --forge, --project, --token-file"
        )
    if token is None:
        names = "GITLAB_TOKEN" if kind is Kind.GITLAB else "GITHUB_TOKEN"
        raise TunnelwrightError(
            "there is no token to comment with", hint=f"set {names}, or name --token-file"
        )
    return forge(kind, arguments.forge_url or there.url, arguments.project or there.project, token)


def _report(
    form: str,
    step: Transition | None,
    found: list[Diagnostic],
    *,
    files: list[str],
    before: Loaded,
    after: Loaded,
) -> str:
    from importlib.metadata import version  # noqa: PLC0415

    from reconciler.policy import Judgement  # noqa: PLC0415
    from reconciler.report import json_lines, markdown, scanning  # noqa: PLC0415
    from reconciler.report.diagnostic_text import diagnostic_lines  # noqa: PLC0415
    from reconciler.report.judgement_text import judgement_lines  # noqa: PLC0415
    from reconciler.report.line import Line, joined  # noqa: PLC0415
    from reconciler.report.plan_text import plan_lines  # noqa: PLC0415

    base, head = (before.revision or "")[:12], (after.revision or "")[:12]
    judgement = step.judgement if step is not None else Judgement()
    notes = step.notes if step is not None else ()
    unchanged = step.unchanged if step is not None else ""
    now = step.now if step is not None else None
    match form:
        case "sarif":
            return scanning.sarif(found, version("tunnelwright"))
        case "junit":
            return scanning.junit(found, files)
        case "markdown":
            plan = step.plan if step is not None else None
            return markdown.comment(
                plan, judgement, notes, found, base=base, head=head, unchanged=unchanged, now=now
            )
        case "json":
            objects = [json_lines.version_line(version("tunnelwright"))]
            objects += [json_lines.diagnostic_object(item) for item in found]
            if step is not None:
                objects += json_lines.plan_objects(step.plan, now)
                objects += json_lines.judgement_objects(judgement)
            objects += [{"type": "note", "text": note} for note in notes]
            objects.append({"type": "preview", "base": before.revision, "head": after.revision})
            return "".join(f"{line}\n" for line in json_lines.dump(objects))
    lines = list(diagnostic_lines(found))
    if step is not None:
        lines += [*plan_lines(step.plan, unchanged, now), *judgement_lines(judgement)]
    return joined((*lines, *(Line(f"note: {note}") for note in notes)))


def _write(arguments: argparse.Namespace, text: str) -> None:
    from reconciler.cli.out_file import write_out  # noqa: PLC0415
    from reconciler.cli.output import document  # noqa: PLC0415

    if arguments.out is None:
        document(text)
    else:
        write_out(arguments.out, text.encode())
