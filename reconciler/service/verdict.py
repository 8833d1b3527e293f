"""What an apply came to, and whether its commit is to blame for what failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from reconciler.model.fabric import group_of
from reconciler.model.outcome import Check, Outcome, Status
from reconciler.model.plan import Plan
from reconciler.operations.apply import Applied
from reconciler.operations.confirm import carried
from reconciler.operations.observed_plan import ObservedPlan
from reconciler.policy.levels import ByCommit


@dataclass(frozen=True, slots=True)
class Verdict:
    """What went wrong in an apply."""

    problems: tuple[str, ...] = ()
    """What failed, a sentence each, without the steps that were not attempted because of it."""
    waiting: tuple[str, ...] = ()
    """What peers have not agreed to, a sentence each. It takes nothing away, and waits for them."""
    hurt: frozenset[str] = frozenset()
    """Tunnel ends that carried traffic before, and are stuck half changed or do not prove good."""


def verdict_of(before: ObservedPlan, applied: Applied, proofs: Mapping[str, tuple[Check, ...]]) -> Verdict:
    """What of an apply, and of the proofs of each tunnel end, went wrong."""
    undone = [outcome for outcome in applied.undone if not outcome.step.waits_for_peer]
    failed = {name: check for name, checks in proofs.items() for check in checks if not check.passed}
    # What was not attempted follows from what failed.
    causes = [outcome for outcome in undone if outcome.status is Status.FAILED] or undone
    problems = [f"{outcome.step.router}: {outcome.step.summary}: {outcome.message}" for outcome in causes]
    problems += [f"{check.name}: {check.evidence}" for check in failed.values()]
    waiting = (outcome for outcome in applied.undone if outcome.step.waits_for_peer)
    return Verdict(
        tuple(problems),
        tuple(f"{outcome.step.router}: {outcome.message}" for outcome in waiting),
        frozenset(_hurt(before, undone, failed.keys())),
    )


def is_to_blame(plan: Plan, hurt: Set[str], by_commit: ByCommit, differs: ByCommit) -> bool:
    """Whether something that the plan changed for the commit, and in which the commit `differs` from the one
    to go back to, has hurt a tunnel end."""
    blamed = (change.resource for change in plan.changes if change.resource.name in hurt)
    return any(by_commit(resource) and differs(resource) for resource in blamed)


def _hurt(before: ObservedPlan, undone: list[Outcome], failed: Set[str]) -> set[str]:
    # Waiting for a peer that has not got the new key yet is no reason to roll the commit back.
    restored = {outcome.step.group for outcome in undone if outcome.restored}
    stuck = {
        (outcome.step.router, outcome.step.group) for outcome in undone if outcome.step.group not in restored
    }
    changed = {change.resource.name for change in before.plan.changes if change.resource.is_tunnel}
    return {
        name
        for name in changed
        if (name in failed or not stuck.isdisjoint(_ends(before, name))) and carried(before, name)
    }


def _ends(before: ObservedPlan, tunnel: str) -> set[tuple[str, str]]:
    """The routers of a tunnel, each with the group of its steps: what another router calls by that name
    does not count."""
    ends = before.fabric.ends_of(tunnel)
    if not ends:
        resources = (change.resource for change in before.plan.changes if change.resource.is_tunnel)
        return {(resource.router, tunnel) for resource in resources if resource.name == tunnel}
    return {(end.router, group_of(end)) for end in ends}
