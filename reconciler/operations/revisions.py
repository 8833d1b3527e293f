"""From one revision to another. Pure: the base, as applied, is the live state; the head is desired; so what
plans everything else plans the difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from reconciler.compile.as_applied import as_applied
from reconciler.compile.router import compile_router
from reconciler.facets import connections
from reconciler.facets.addresses import compile_claims
from reconciler.model.fabric import Fabric, PskRef
from reconciler.model.operation import LoadSecret, UnloadSecret
from reconciler.model.plan import Plan, ResourceChange
from reconciler.model.router_config import RouterConfig
from reconciler.model.secret import Secret
from reconciler.model.stand_in import stand_in
from reconciler.model.swanctl import Change
from reconciler.plan.fleet import make_plan
from reconciler.policy import Judgement, judge

_FINGERPRINT = re.compile(r"(key ike-\S+)-[0-9a-f]+$")
"""At the end of a key's id. That of a stand-in would mean nothing."""


@dataclass(frozen=True, slots=True)
class Transition:
    """From one revision to another: what is done, what the limits say of it, and what is not known."""

    plan: Plan
    now: Plan
    """What of the plan may be done now."""
    judgement: Judgement
    notes: tuple[str, ...]
    unchanged: str = "No changes. The commit changes nothing on the routers."
    """What to say of a plan that is empty."""


def between(base: Fabric, head: Fabric, now: datetime) -> Transition:
    """What applying `head` does where `base` is applied and nothing has drifted. Keys are not needed: a key
    counts as changed when its reference is another."""
    same = {name for name, tunnel in head.tunnels.items() if base.tunnels.get(name) == tunnel}
    before = _compiled(base, same)
    after = _compiled(head, same, {name: before[name] for name in _equal(base, head, same)})
    before |= {now: replace(before[was], router=now) for now, was in _renamed(base, head).items()}
    before |= {name: RouterConfig(name) for name in after.keys() - before.keys()}
    live = {name: as_applied(before[name]) for name in after}
    # What is the same in both is compared no further: there are thousands, and a commit changes a few.
    wanted = {name: _without(config, same) for name, config in after.items()}
    applied = {name: as_applied(_without(before[name], same)) for name in after} if same else live
    plan = make_plan(wanted, applied)
    notes = list(left_alone(base, head))
    kept = {tunnel.psk for tunnel in base.tunnels.values()} & {tunnel.psk for tunnel in head.tunnels.values()}
    if not all(reference.written for reference in kept):
        notes.append(
            "keys are compared by their references: a key that was replaced under the same "
            "reference is not detected"
        )
    if base.fingerprint_key != head.fingerprint_key:
        notes.append(
            "fingerprintKey has changed, or was written again: if it is another key, every key on the "
            "routers counts as changed, and is replaced without interruption"
        )
    shown = tuple(_of_revisions(change, base, head) for change in plan.changes)
    judgement = judge(plan, head, live, now, simulated=True)
    whole = not (judgement.refusals or judgement.deferrals)
    soon = plan if whole else make_plan(wanted, applied, selected=judgement.allows)
    return Transition(replace(plan, changes=shown), soon, judgement, tuple(notes))


def left_alone(base: Fabric, head: Fabric) -> Iterator[str]:
    """What happens to routers that a commit takes out of Git."""
    for name in sorted(set(base.routers) - set(head.routers) - set(_renamed(base, head).values())):
        yield (
            f"the router {name} is no longer in Git: everything on it stays as it is (its tunnels with their "
            "keys and files, its VIPs, its nftables table), and it is no longer observed"
        )


def _renamed(base: Fabric, head: Fabric) -> dict[str, str]:
    """Each router of `head` that had another name in `base` -> that name."""
    gone = base.routers.keys() - head.routers.keys()
    return {
        name: was
        for name in head.routers.keys() - base.routers.keys()
        for was in head.routers[name].previous_names
        if was in gone
    }


def _without(config: RouterConfig, tunnels: Set[str]) -> RouterConfig:
    """A router's configuration without the connections of some tunnels. Its firewall stays whole: two
    tunnels may need one element."""
    kept = {name: item for name, item in config.connections.items() if item.tunnel not in tunnels}
    return replace(config, connections=kept)


def _equal(base: Fabric, head: Fabric, same: Set[str]) -> Iterator[str]:
    """The routers of which a commit changes nothing: what they are compiled from is the same in both."""
    if compile_claims(base) != compile_claims(head):
        return
    for name, router in head.routers.items():
        tunnels = head.tunnels_of(name)
        if (
            base.routers.get(name) == router
            and base.vips_of(name) == head.vips_of(name)
            and len(base.tunnels_of(name)) == len(tunnels)
            and all(tunnel.name in same for tunnel in tunnels)
        ):
            yield name


def _compiled(
    fabric: Fabric, unread: Set[str], known: Mapping[str, RouterConfig] = MappingProxyType({})
) -> dict[str, RouterConfig]:
    """What each router is to hold. Those that are `known` are not compiled again."""
    keys = {tunnel.psk: stand_in(tunnel.psk) for tunnel in fabric.tunnels.values()}
    claims = compile_claims(fabric)
    return {
        name: known[name]
        if name in known
        else compile_router(fabric, name, keys, Secret(b""), unread, claims=claims)
        for name in sorted(fabric.routers)
    }


def _of_revisions(change: ResourceChange, base: Fabric, head: Fabric) -> ResourceChange:
    """A change as the two revisions show it: known from the base, and a key by its reference."""
    name = change.resource.name
    former = head.tunnels[name].previous_names if name in head.tunnels else ()
    key = _key_change(_reference(base, (name, *former)), _reference(head, (name,)))
    steps = tuple(
        replace(step, summary=_FINGERPRINT.sub(r"\1", step.summary))
        if isinstance(step.operation, LoadSecret | UnloadSecret)
        else step
        for step in change.steps
    )
    return replace(change, changes=tuple(_fields(change, key)), steps=steps)


def _fields(change: ResourceChange, key: Change | None) -> Iterator[Change]:
    for field in change.changes:
        if field.source == "sa" or field.path in connections.FOLLOWS_THE_KEY:
            continue
        if field.path == "psk":
            # A renamed tunnel's key gets another id, and is the same key.
            if key is not None:
                yield key
        elif field.path != "psk.retired":
            yield Change(field.path, field.before, field.after, "base")


def _key_change(before: PskRef | None, after: PskRef | None) -> Change | None:
    """A key by its reference. What is encrypted anew under the same one is another key, as far as can be
    known without decrypting it."""
    if before == after:
        return None
    here, there = (None if reference is None else str(reference) for reference in (before, after))
    return Change("psk", here, f"{there} (written again)" if here == there else there, "base")


def _reference(fabric: Fabric, names: tuple[str, ...]) -> PskRef | None:
    return next((fabric.tunnels[name].psk for name in names if name in fabric.tunnels), None)
