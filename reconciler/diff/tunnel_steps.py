"""How one tunnel end differs -> the steps that repair it: those of its facets interleave in one order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from reconciler.diff.files import has_wrong_mode
from reconciler.diff.removals import retirement
from reconciler.diff.tunnel_difference import TunnelDifference
from reconciler.facets import connections, files
from reconciler.facets.connections import priority
from reconciler.model.listing import counted
from reconciler.model.operation import (
    CloseSurplus,
    Establish,
    LoadConnection,
    LoadSecret,
    Operation,
    Scope,
    SetAside,
    Switch,
    UnloadConnection,
    UnloadSecret,
    Widen,
    WriteFile,
)
from reconciler.model.plan import Disruption, Phase, Step
from reconciler.model.router_config import PREFIX, SharedSecret
from reconciler.model.swanctl import Settings


def tunnel_steps(found: TunnelDifference) -> Iterator[Step]:
    """What repairs one tunnel end, in the order of the phases."""
    switch = _switch(found)
    yield from _loading(found)
    if switch is not None:
        yield switch
    yield from _commit(found)
    yield from _retiring(found, switched=switch is not None)


def _step(found: TunnelDifference, phase: Phase, summary: str, operation: Operation) -> Step:
    """A step that is nothing to traffic."""
    return Step(found.end.desired.router, phase, found.end.group, summary, Disruption.NONE, operation)


def _loading(found: TunnelDifference) -> Iterator[Step]:
    """The mark in the file, the key and the connection; traffic stays where it is."""
    end = found.end
    wanted = end.connection
    mark = end.file.marked()
    if mark is not None and (found.load or found.load_key):
        summary = f"mark {files.FOLDER}/{end.path} as changing"
        yield _step(found, Phase.MARK, summary, WriteFile(end.path, mark))
    former, former_key = _before_the_key(found)
    if found.load_key:
        load_key = LoadSecret(wanted.secret, former_key)
        yield _step(found, Phase.SECRETS, f"load key {wanted.secret.id}", load_key)
    if found.load:
        load = LoadConnection(wanted.name, wanted.settings, former)
        step = _step(found, Phase.CONNECTIONS, f"load connection {wanted.name}", load)
        if found.lost and (end.running or end.former_running):
            pairs = counted(len(found.lost), "pair")
            summary = f"{step.summary}, without {pairs} of networks"
            step = replace(step, summary=summary, disruption=Disruption.DESTROYS)
        yield step


def _before_the_key(found: TunnelDifference) -> tuple[Settings | None, SharedSecret | None]:
    """The connection and the key that a running tunnel had before it gets another key, as its file has them:
    they are loaded again when the peer does not know the new key yet. Nothing else may change with the key:
    two ends that each go back to their former algorithms would never meet at the new ones."""
    end = found.end
    wanted = end.connection
    others = [key for key in end.loaded_keys if key != wanted.secret.id]
    if not (found.load_key and others and end.running) or found.stale:
        return None, None
    before = end.file.before(wanted.name, others)
    if before is None:
        return None, None
    changes = connections.compare(wanted.settings, end.loaded, before[0])
    fields = {change.path for change in changes if not priority.is_priority(change.path)}
    return before if fields <= connections.FOLLOWS_THE_KEY else (None, None)


def _switch(found: TunnelDifference) -> Step | None:
    """The step that moves traffic onto the desired configuration; None where it runs on that already."""
    end = found.end
    name, children = end.connection.name, end.connection.children
    takes_over = bool(end.former_running) and not end.running
    # A connection that was only unloaded runs on with SAs of the configuration that the file holds.
    only_unloaded = end.loaded is None and end.file_is_right and bool(end.running)
    loads = (end.loaded is None or bool(found.config)) and not only_unloaded
    operation: Switch
    if found.stale or loads or takes_over:
        # An unmanaged peer changes at another time, so it knows one pair of addresses alone.
        moves = not end.connection.paired and any(map(connections.moves, found.config))
        disruption = Disruption.INTERRUPTS if moves else Disruption.MAKE_BEFORE_BREAK
        operation = Establish(name, children, _scope(found), end.former)
    elif found.reconnect:
        disruption = Disruption.INTERRUPTS
        operation = Establish(name, children, Scope.RECONNECT)
    elif found.narrowed:
        disruption = Disruption.MAKE_BEFORE_BREAK
        operation = Widen(name, children, end.connection.settings)
    elif found.surplus:
        disruption = Disruption.NONE
        operation = CloseSurplus(name)
    else:
        return None
    return switch_step(
        end.desired.router, end.group, operation, disruption if end.carried else Disruption.NONE
    )


def _scope(found: TunnelDifference) -> Scope:
    """What has to come up: whether the change reaches the IKE_SA or only its CHILD_SAs."""
    if not found.end.running:
        return Scope.IKE if found.end.former_running else Scope.FIRST
    return Scope.IKE if found.affects_ike_sa else Scope.CHILD


def switch_step(router: str, group: str, operation: Switch, disruption: Disruption) -> Step:
    """The step that moves a tunnel onto its new configuration."""
    return Step(router, Phase.SWITCH, group, _summary(operation), disruption, operation)


def _summary(operation: Switch) -> str:
    match operation:
        case CloseSurplus(connection):
            return f"close the surplus CHILD_SAs of {connection}"
        case Widen(connection):
            return f"ask the peer of {connection} for the selectors that it has not agreed to"
        case Establish(connection, _, scope):
            return {
                Scope.FIRST: f"bring up {connection}",
                Scope.CHILD: f"bring up second CHILD_SAs of {connection}, then retire the first",
                Scope.IKE: f"bring up a second IKE_SA of {connection}, then retire the first",
                Scope.RECONNECT: f"terminate the SAs of {connection}, then bring it up again",
            }[scope]
        case _:
            assert_never(operation)


def _commit(found: TunnelDifference) -> Iterator[Step]:
    """The file, which says from now on what charon holds."""
    end = found.end
    if found.load or found.load_key or not end.file_is_right or has_wrong_mode(end):
        content = WriteFile(end.path, end.wanted_file)
        yield _step(found, Phase.COMMIT, f"write {files.FOLDER}/{end.path}", content)


def _retiring(found: TunnelDifference, *, switched: bool) -> Iterator[Step]:
    """What the tunnel used before and nothing needs any more: keys, former connections, adopted files."""
    end = found.end
    for secret_id in end.loaded_keys:
        if secret_id != end.connection.secret.id:
            yield _step(found, Phase.RETIRE, f"unload key {secret_id}", UnloadSecret(secret_id))
    for old in end.former:
        # One that was configured by hand may set itself up again when the switch ends it (close_action).
        ending = None if switched and old.startswith(PREFIX) else Disruption.NONE
        for step in retirement(end.desired.router, end.group, end.live, old, ending):
            # Of two connections for one peer the answering end takes the older, so that goes beforehand; its
            # SAs carry on until the new ones are there.
            early = isinstance(step.operation, UnloadConnection)
            yield replace(step, phase=Phase.CONNECTIONS) if early else step
    for file in found.aside:
        for secret_id in sorted(end.live.state.secret_ids.intersection(file.secret_ids)):
            yield _step(found, Phase.RETIRE, f"unload key {secret_id}", UnloadSecret(secret_id))
        # Last: it says which keys those are.
        summary = f"rename {file.path} to {file.path}{files.ADOPTED}"
        yield _step(found, Phase.RETIRE, summary, SetAside(file.path))
