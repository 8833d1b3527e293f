"""`tunnelwright preview`: shows what a commit changes, from its revisions or compared with the routers."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from reconciler.cli import access
from reconciler.cli.installed import version
from reconciler.cli.out_file import write_out
from reconciler.cli.output import document, note
from reconciler.forges.choose import Surroundings, forge, surroundings
from reconciler.forges.forge import Forge, Kind
from reconciler.load import Composed, Loaded
from reconciler.load.revision import default_base, has_uncommitted, load_revision, place_in_repository
from reconciler.model.diagnostic import Diagnostic, Diagnostics, reported
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.operations.desired import check_keys, shown_by_files
from reconciler.operations.preview import decide, narrowed, preview
from reconciler.operations.revisions import Transition, between, left_alone
from reconciler.plan.commit import changes_of_commit, compared, unchanged
from reconciler.policy import Judgement
from reconciler.report import markdown, scanning
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.report.json.judgement import judgement_objects
from reconciler.report.json.lines import dump, version_line
from reconciler.report.json.plan import plan_objects
from reconciler.report.judgement_text import judgement_lines
from reconciler.report.line import Line, joined
from reconciler.report.markdown import MARK
from reconciler.report.plan_text import plan_lines
from reconciler.secrets import read_private
from reconciler.validate import validate


def run(arguments: argparse.Namespace) -> int:
    """Load both revisions, plan from one to the other, report."""
    if (arguments.lab or arguments.secrets or arguments.stand_in_keys) and not arguments.live:
        raise TunnelwrightError("--lab, --secrets and --stand-in-keys need --live", hint="add --live")
    forge = _forge(arguments) if arguments.comment is not None else None
    tree: Path = arguments.tree
    base = arguments.base or default_base(tree, arguments.head)
    composed: Composed = {}
    before = load_revision(tree, base, missing_is_empty=True, composed=composed)
    after = load_revision(tree, arguments.head, composed=composed)
    if has_uncommitted(tree, after, composed):
        note(f"{tree} has uncommitted changes; the preview is of {arguments.head} without them")
    head, findings = validate(after)
    # Forges name files from the root of the repository.
    place = place_in_repository(tree)
    placed = [item.below(place) for item in reported(findings)]
    step: Transition | None = None
    if not findings.errors:
        there, problems = validate(before)
        # Of a base that is not valid nobody knows what is applied: all of the head would look new.
        if problems.errors:
            broken = Diagnostics()
            first = problems.errors[0].below(place)
            broken.warning("base-not-valid", first.location, f"{base} is invalid, so the changes are unknown")
            placed += broken
        else:
            step = between(there, head, datetime.now(UTC))
            if arguments.live:
                step = _on_routers(arguments, step, there, head)
    files = [f"{place}/{document.file}" if place else document.file for document in after.documents]
    _write(arguments, _report(arguments.format, step, placed, files=files, before=before, after=after))
    if forge is not None:
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
    store = access.secret_store(arguments)
    whole = preview(head, store, access.fleet_of(head, arguments))
    mine = narrowed(whole, changes_of_commit(commit.plan, base, head))
    decision = decide(mine, shown_by_files(head, store, mine.observation.states))
    check_keys(head, decision.allowed.plan)
    plan = decision.judged.plan
    notes = (*left_alone(base, head), *compared(commit.plan, plan, whole.plan))
    said = commit.unchanged if commit.plan.empty else unchanged(commit.plan, plan)
    return Transition(plan, decision.allowed.plan, decision.judgement, notes, said)


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


def _report(
    form: str,
    step: Transition | None,
    found: list[Diagnostic],
    *,
    files: list[str],
    before: Loaded,
    after: Loaded,
) -> str:
    base, head = (before.revision or "")[:12], (after.revision or "")[:12]
    judgement = step.judgement if step is not None else Judgement()
    notes = step.notes if step is not None else ()
    unchanged = step.unchanged if step is not None else ""
    now = step.now if step is not None else None
    match form:
        case "sarif":
            return scanning.sarif(found, version())
        case "junit":
            return scanning.junit(found, files)
        case "markdown":
            plan = step.plan if step is not None else None
            return markdown.comment(
                plan, judgement, notes, found, base=base, head=head, unchanged=unchanged, now=now
            )
        case "json":
            objects = [version_line(version())]
            objects += [diagnostic_object(item) for item in found]
            if step is not None:
                objects += plan_objects(step.plan, now)
                objects += judgement_objects(judgement)
            objects += [{"type": "note", "text": note} for note in notes]
            objects.append({"type": "preview", "base": before.revision, "head": after.revision})
            return "".join(f"{line}\n" for line in dump(objects))
    lines = list(diagnostic_lines(found))
    if step is not None:
        lines += [*plan_lines(step.plan, unchanged, now), *judgement_lines(judgement)]
    return joined((*lines, *(Line(f"note: {note}") for note in notes)))


def _write(arguments: argparse.Namespace, text: str) -> None:
    if arguments.out is None:
        document(text)
    else:
        write_out(arguments.out, text.encode())
