"""Connections, keys and files on a router that have our prefix but are no longer desired."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diff.live import Live
from reconciler.diff.lost import Guards, carried, lost
from reconciler.facets import files, secrets
from reconciler.model.operation import Operation, RemoveFile, Terminate, UnloadConnection, UnloadSecret
from reconciler.model.plan import Action, Disruption, Phase, Resource, ResourceChange, ResourceKind, Step
from reconciler.model.router_config import PREFIX, RouterConfig
from reconciler.model.swanctl import Change


def removed_tunnels(desired: RouterConfig, live: Live) -> Iterator[ResourceChange]:
    """What carries our prefix and is desired no more."""
    guards = Guards(desired)
    names = {name for name in live.state.connections if name.startswith(PREFIX)}
    names |= {sa.connection for sa in live.state.sas if not sa.ending}
    names |= {name.removesuffix(".conf") for name in live.state.files if files.is_ours(name)}
    unused = dict(live.secret_ids)
    for connection in desired.connections.values():
        for name in (connection.name, *connection.former):
            # What runs by a former connection goes with the tunnel's own steps.
            names.discard(name)
            for secret_id in live.keys_of(name):
                unused.pop(secrets.owner_of(secret_id), None)
    for name in sorted(names):
        tunnel = name.removeprefix(PREFIX)
        unused.pop(secrets.owner_tag(tunnel), None)
        yield _removal(desired, live, name, desired.groups.get(tunnel, tunnel), guards)
    for secret_id in sorted(secret_id for ids in unused.values() for secret_id in ids):
        yield ResourceChange(
            Resource(desired.router, ResourceKind.KEY, secret_id),
            Action.DELETE,
            "no tunnel uses it",
            (Change("psk", secrets.digest_of(secret_id), None, "vici"),),
            (
                Step(
                    desired.router,
                    Phase.RETIRE,
                    "",
                    f"unload key {secret_id}",
                    Disruption.NONE,
                    UnloadSecret(secret_id),
                ),
            ),
        )


def _removal(desired: RouterConfig, live: Live, name: str, group: str, guards: Guards) -> ResourceChange:
    tunnel = name.removeprefix(PREFIX)
    return ResourceChange(
        Resource(desired.router, ResourceKind.TUNNEL, tunnel),
        Action.DELETE,
        "disabled in Git" if tunnel in desired.groups else "not in Git",
        (Change("connection", name, None, "vici"), *lost(tunnel, carried(live, (name,)), None, guards)),
        tuple(retirement(desired.router, group, live, name, Disruption.DESTROYS)),
    )


def retirement(router: str, group: str, live: Live, name: str, ending: Disruption | None) -> Iterator[Step]:
    """The steps that take a connection off a router. `ending` is what the end of its SAs does to traffic;
    None where something else ends them."""

    def step(summary: str, operation: Operation, disruption: Disruption = Disruption.NONE) -> Step:
        return Step(router, Phase.RETIRE, group, summary, disruption, operation)

    path = files.file_name(name)
    if path in live.state.files:
        # First, so that a charon that restarts in between does not bring the tunnel back.
        yield step(f"remove {files.FOLDER}/{path}", RemoveFile(path))
    if name in live.state.connections:
        yield step(f"unload connection {name}", UnloadConnection(name))
    if ending is not None and any(not sa.ending for sa in live.sas.get(name, ())):
        yield step(f"terminate the SAs of {name}", Terminate(name), ending)
    for secret_id in live.keys_of(name):
        yield step(f"unload key {secret_id}", UnloadSecret(secret_id))
