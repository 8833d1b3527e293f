"""One end of a tunnel as it is desired, and a router that has it so: what each test changes one thing of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reconciler.compile.as_applied import as_applied
from reconciler.compile.router import compile_router
from reconciler.diff import diff_router
from reconciler.diff.live import Live
from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Phase, ResourceChange
from reconciler.model.router_config import Asked, IkeSa, LiveFile, RouterConfig, RouterState
from reconciler.model.secret import Secret
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers

NAME = "tw-paris-tokyo"
FILE = "tw-paris-tokyo.conf"
KEY = "a key of paris and tokyo"


def compiled(fabric: Fabric, psk: str = KEY) -> RouterConfig:
    """What paris is to hold."""
    keys = {tunnel.psk: Secret(psk.encode()) for tunnel in fabric.tunnels.values()}
    return compile_router(fabric, "paris", keys, Secret(b"fingerprints"))


def desired(psk: str = KEY, **fields: Any) -> RouterConfig:
    """What paris is to hold of the tunnel to tokyo; fields as those of `change_tunnels`."""
    return compiled(change_tunnels(two_routers(), **fields), psk)


def held(psk: str = KEY, **fields: Any) -> RouterState:
    """paris as it is once `desired` is applied."""
    return as_applied(desired(psk, **fields))


def with_file(state: RouterState, edit: Callable[[bytes], bytes], mode: int = 0o600) -> RouterState:
    """The router with its file edited."""
    content = Secret(edit(state.files[FILE].content.reveal()))
    return replace(state, files={**state.files, FILE: LiveFile(content, mode)})


def with_sa(router: RouterState, **fields: Any) -> RouterState:
    """The router with its one IKE_SA changed."""
    return replace(router, sas=(replace(only_sa(router), **fields),))


def only_sa(state: RouterState) -> IkeSa:
    """The one IKE_SA that runs."""
    [sa] = state.sas
    return sa


def end_of(config: RouterConfig, state: RouterState, name: str = "") -> TunnelEnd:
    """The end of the tunnel of that connection; of the only one where none is named."""
    found = [item for item in config.connections.values() if name in {"", item.name}]
    [connection] = found
    return TunnelEnd(config, Live(state), connection)


def tunnel_of(config: RouterConfig, state: RouterState, *reconnect: str) -> ResourceChange:
    """What is planned for the one tunnel; nothing else may differ."""
    [change] = diff_router(replace(config, asked=Asked(frozenset(reconnect))), state)
    assert change.resource.kind == "tunnel"
    return change


def fields(change: ResourceChange) -> dict[str, tuple[object, object]]:
    """The fields that differ: path to what they are and shall be."""
    return {field.path: (field.before, field.after) for field in change.changes}


def steps(change: ResourceChange) -> list[tuple[Phase, str]]:
    """The steps in their order."""
    return [(step.phase, step.summary) for step in change.steps]
