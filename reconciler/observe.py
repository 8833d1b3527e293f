"""Router -> RouterState: one VICI session and one command on the host, then decoding. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from reconciler.facets import connections, firewall, sas
from reconciler.facets.swanctl_conf import SwanctlSyntaxError
from reconciler.importing.separation import MAIN_FILE, Inseparable, collect, separate
from reconciler.model.errors import SourceUnavailable, TunnelwrightError
from reconciler.model.observation import Observation
from reconciler.model.router_config import PREFIX, ForeignFile, IkeSa, RouterState
from reconciler.routers.protocol import Router, Vici


def observe_router(
    router: Router, sysctls: Iterable[str], adopted: frozenset[str] = frozenset()
) -> RouterState:
    """Read one router.

    Connections that are neither tunnelwright's nor to be `adopted` are left out: they are nobody's business.

    Raises RouterUnreachable or CommandRejected.
    """
    version = router.vici.request("version")
    stats = router.vici.request("stats")
    listed = router.vici.stream("list-conns", "list-conn")
    conns = {name: body for event in listed for name, body in event.items()}
    secret_ids = frozenset(router.vici.request("get-shared").get("keys", ()))
    running = read_sas(router.vici, adopted=adopted)
    snapshot = router.host.snapshot(sysctls)
    return RouterState(
        router=router.name,
        version=version["version"],
        plugins=frozenset(stats["plugins"]),
        connections={
            name: connections.decode(body)
            for name, body in conns.items()
            if name.startswith(PREFIX) or name in adopted
        },
        secret_ids=secret_ids,
        sas=running,
        files=snapshot.files,
        addresses=snapshot.addresses,
        firewall=firewall.decode(snapshot.firewall),
        sysctls=snapshot.sysctls,
        foreign_files=_foreign_files(router, adopted, conns) if adopted else {},
        management=snapshot.management,
    )


def _foreign_files(
    router: Router, adopted: frozenset[str], loaded: Collection[str]
) -> dict[str, ForeignFile]:
    """Of connections to be adopted, the files that nothing else needs. Reading them is a round trip more, for
    as long as a tunnel names what it adopts."""
    found = {}
    # A configuration that cannot be read, or taken apart, is left to whoever wrote it.
    with suppress(SwanctlSyntaxError, SourceUnavailable):
        whole = collect(MAIN_FILE, router.host.read_files)
        for name in sorted(adopted):
            with suppress(Inseparable):
                file = separate(whole, name, adopted, loaded)
                if file is not None:
                    found[name] = file
    return found


def read_sas(
    vici: Vici, connection: str | None = None, *, adopted: frozenset[str] = frozenset(), every: bool = False
) -> tuple[IkeSa, ...]:
    """Our IKE_SAs and those of `adopted` connections, or those of one connection, or `every` one, oldest
    first."""
    wanted = {"ike": connection} if connection is not None else None
    found = [
        sas.decode(name, body)
        for event in vici.stream("list-sas", "list-sa", wanted)
        for name, body in event.items()
        if every or name.startswith(PREFIX) or name in adopted or name == connection
    ]
    return tuple(sorted(found, key=lambda sa: int(sa.id)))


def observe(
    connect: Callable[[str], Router],
    sysctls: Mapping[str, Iterable[str]],
    parallelism: int = 10,
    adopted: Mapping[str, frozenset[str]] | None = None,
) -> Observation:
    """Read many routers side by side; `sysctls` gives each router's keys, `adopted` its foreign connections.
    One that fails delays no other."""
    foreign = adopted or {}

    def read(name: str) -> RouterState | TunnelwrightError:
        try:
            router = connect(name)
            try:
                return observe_router(router, sysctls[name], foreign.get(name, frozenset()))
            finally:
                router.close()
        except TunnelwrightError as error:
            return error

    names = sorted(sysctls)
    with ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(names)))) as pool:
        results = dict(zip(names, pool.map(read, names), strict=True))
    return Observation(
        states={name: result for name, result in results.items() if isinstance(result, RouterState)},
        failures={name: result for name, result in results.items() if isinstance(result, TunnelwrightError)},
    )
