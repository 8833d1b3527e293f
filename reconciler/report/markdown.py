"""A plan as a comment on a pull request: the summary, a table of what it does to traffic, the rest
folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.bounds import FIELDS_SHOWN
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.judgement import Judgement
from reconciler.model.listing import counted, listed
from reconciler.model.plan import Action, Disruption, Plan, Resource
from reconciler.model.visible import visible
from reconciler.report.encoding import code, prose
from reconciler.report.plan_text import (
    MOST_EXPOSED,
    MOST_WITHHELD,
    disruption_summary,
    exposed_parts,
    resource_text,
    step_text,
    summary,
    value_text,
    withheld_together,
)
from reconciler.report.together import changes_together, fields_together, like_it, noun, steps_together

MARK = "<!-- tunnelwright:preview -->"
"""What a comment begins with, so that the next run finds and updates it."""
LIMIT = 65_536
"""Characters that GitHub takes in one comment."""
_ROOM = 4_000
"""Left for what closes a comment that was cut."""
_SIGNS = {
    Disruption.NONE: "none",
    Disruption.MAKE_BEFORE_BREAK: "none (make before break)",
    Disruption.INTERRUPTS: "**interrupts**",
    Disruption.DESTROYS: "**destroys**",
}


def comment(
    plan: Plan | None,
    judgement: Judgement,
    notes: Iterable[str],
    findings: Iterable[Diagnostic],
    *,
    base: str,
    head: str,
    unchanged: str,
    now: Plan | None = None,
) -> str:
    """The whole comment, shorter than LIMIT. `plan` is None when a revision is not valid; `unchanged` is what
    to say of an empty one; `now` is the part of it that may be done now, None for all of it."""
    parts = [MARK, f"### tunnelwright: {code(base)} → {code(head)}", ""]
    found = list(findings)
    if plan is None and not any(item.severity is Severity.ERROR for item in found):
        parts.append("**The changes are unknown.**")
    elif plan is None:
        parts.append(f"**Not valid**: {counted(sum(item.stands_for for item in found), 'finding')}.")
    elif plan.empty:
        parts.append(f"**{prose(unchanged)}**")
    else:
        parts += [f"**{summary(plan, now)}** {disruption_summary(plan, now)}", "", *_table(plan)]
        parts += _exposed(plan, now)
    parts += ["", *_left_out(plan)] if plan is not None else []
    parts += ["", *_limits(judgement)] if judgement.refusals or judgement.deferrals else []
    parts += [f"- {prose(note)}" for note in notes]
    tail = [*_findings(found), *(_details(plan) if plan is not None else ())]
    return _cut("\n".join(parts), tail)


def _cut(body: str, folded: list[str]) -> str:
    """The body, and as many folded lines as there is room for; then how many were left out."""
    lines = body.splitlines()
    shown: list[str] = []
    length = 0
    for line in lines:
        if length + len(line) + 1 > LIMIT - _ROOM:
            break
        shown.append(line)
        length += len(line) + 1
    left = len(lines) - len(shown)
    for line in folded:
        if left or length + len(line) + 1 > LIMIT - _ROOM:
            left += 1
            continue
        shown.append(line)
        length += len(line) + 1
    if left:
        if shown.count("```diff") > shown.count("```"):
            shown.append("```")
        if shown.count("<details>") > shown.count("</details>"):
            shown += ["", "</details>"]
        cut = counted(left, "line was", "lines were")
        shown += [
            "",
            f"*{cut} cut: a comment may have {LIMIT:,} characters.*",
        ]
    return "\n".join(shown) + "\n"


def _table(plan: Plan) -> Iterator[str]:
    worst: dict[str, Disruption] = {}
    for step in plan.steps:
        if step.group and step.disruption.rank >= worst.get(step.group, Disruption.NONE).rank:
            worst[step.group] = step.disruption
    yield "| | what | at | traffic | why |"
    yield "|---|---|---|---|---|"
    found = [
        (max((worst.get(c.group, c.disruption) for c in changes), key=lambda d: d.rank), changes)
        for changes in changes_together(plan.changes)
    ]
    for disruption, changes in sorted(found, key=lambda item: (-item[0].rank, str(item[1][0].resource))):
        first = changes[0]
        what, where = f"{first.resource.kind} {code(first.resource.name)}", code(first.resource.router)
        if len(changes) > 1:
            names = sorted({change.resource.name for change in changes})
            routers = sorted({change.resource.router for change in changes})
            what = f"{noun(changes)}: {listed(map(code, names))}"
            where = listed(map(code, routers))
        cells = (code(first.action.symbol), what, where, _SIGNS[disruption], prose(first.reason))
        yield f"| {' | '.join(cells)} |"


def _limits(judgement: Judgement) -> Iterator[str]:
    for refusal in judgement.refusals:
        yield f"- ✗ **refused as unsafe**: {_names(refusal.resources)}: {prose(refusal.reason)}"
    for deferral in judgement.deferrals:
        yield f"- … **waits**: {_names(deferral.resources)}: {prose(deferral.reason)}"


def _names(resources: Iterable[Resource]) -> str:
    return listed(code(str(resource)) for resource in resources)


def _left_out(plan: Plan) -> Iterator[str]:
    for router, absence in sorted(plan.unreachable.items()):
        yield f"- ! {code(router)}: not planned, {prose(str(absence))}"
    together = withheld_together(plan)
    for reason, tunnels in together[:MOST_WITHHELD]:
        yield f"- ! {listed(map(code, tunnels))}: withheld, {prose(reason)}"
    if more := sum(len(tunnels) for _, tunnels in together[MOST_WITHHELD:]):
        yield f"- ! and {counted(more, 'more tunnel end is', 'more tunnel ends are')} withheld"


def _exposed(plan: Plan, now: Plan | None) -> Iterator[str]:
    for heading, pairs in exposed_parts(plan, now):
        yield from ("", f"**{heading}:**", "")
        for router, (source, destination) in pairs[:MOST_EXPOSED]:
            yield f"- ! {code(router)}: from {code(source)} to {code(destination)}"
        if len(pairs) > MOST_EXPOSED:
            yield f"- ! and {len(pairs) - MOST_EXPOSED} more"


def _findings(found: list[Diagnostic]) -> Iterator[str]:
    if found:
        yield ""
    for item in found:
        hint = f" ({prose(item.hint)})" if item.hint else ""
        yield f"- {item.severity} at {code(str(item.location))}: {prose(item.message)}{hint}"


def _details(plan: Plan) -> Iterator[str]:
    if plan.empty:
        return
    yield from ("", "<details>", "<summary>Fields and steps</summary>", "", "```diff")
    for first, *others in changes_together(plan.changes):
        if others and first.action is not Action.UPDATE:
            yield visible(f"# {noun([first, *others])}: {first.reason}")
            sign = first.action.symbol
            yield from (visible(f"{sign} {resource_text(change)}") for change in (first, *others))
            continue
        yield visible(f"# {first.resource}: {first.reason}{like_it(len(others))}")
        kinds = fields_together(first.changes)
        for field, *more in kinds[:FIELDS_SHOWN]:
            alike = like_it(len(more))
            if field.before is not None:
                yield visible(f"- {field.path}: {value_text(field.before)}{alike}")
            if field.after is not None:
                yield visible(f"+ {field.path}: {value_text(field.after)}{alike}")
        if left := sum(map(len, kinds[FIELDS_SHOWN:])):
            yield f"# … and {counted(left, 'more field')}"
    yield from ("```", "", "```text")
    for number, (step, *more_steps) in enumerate(steps_together(plan.steps), start=1):
        yield visible(f"{number:>3}. {step_text(step, more_steps)}")
    yield from ("```", "", "</details>")
