"""Router -> RouterState: one VICI session and one command on the host, then decoding. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from reconciler.diagnosis import netfilter
from reconciler.facets import addresses, connections, sas
from reconciler.facets.files.swanctl_conf import SwanctlSyntaxError
from reconciler.facets.firewall import nft_listing
from reconciler.importing.separation import MAIN_FILE, Inseparable, collect, separate
from reconciler.model import bounds
from reconciler.model.decoding import Fields
from reconciler.model.errors import AnswerNotUnderstood, SourceUnavailable, TunnelwrightError
from reconciler.model.listing import counted
from reconciler.model.observation import Observation
from reconciler.model.router_config import PREFIX, ForeignFile, IkeSa, RouterState
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router, Vici, entries


def observe_router(
    router: Router, sysctls: Iterable[str], adopted: frozenset[str] = frozenset()
) -> RouterState:
    """Read one router.

    Connections that are neither tunnelwright's nor to be `adopted` are ignored.

    Raises RouterUnreachable, CommandRejected or AnswerNotUnderstood.
    """
    version = _asked(router.vici, "version").text("version")
    plugins = _asked(router.vici, "stats").texts("plugins")
    conns = dict(entries(router.vici, "list-conns", "list-conn"))
    secret_ids = _asked(router.vici, "get-shared").texts("keys", ())
    running = read_sas(router.vici, adopted=adopted)
    snapshot = router.host.snapshot(sysctls)
    state = RouterState(
        router=router.name,
        version=version,
        plugins=frozenset(plugins),
        connections={
            name: connections.decode(name, body)
            for name, body in conns.items()
            if name.startswith(PREFIX) or name in adopted
        },
        secret_ids=frozenset(secret_ids),
        sas=running,
        files=snapshot.files,
        addresses=snapshot.addresses,
        firewall=nft_listing.decode(snapshot.firewall, copy=snapshot.copy),
        sysctls=snapshot.sysctls,
        foreign_files=_foreign_files(router, adopted, conns) if adopted else {},
        record=addresses.decode_record(snapshot.record),
        management=snapshot.management,
        owned=snapshot.owned,
        platform=snapshot.platform,
        way_back=snapshot.way_back,
    )
    if state.holds_back:
        state = replace(state, dropped=snapshot.dropped)
    _check_pairs(state)
    return state


def _check_pairs(state: RouterState) -> None:
    """Lists of networks and addresses multiply: a short answer may stand for any number of pairs."""
    lists = [(child.local_ts, child.remote_ts) for sa in state.sas for child in sa.children]
    for settings in state.connections.values():
        addresses, networks = connections.listed_ends(settings)
        lists += [addresses, *networks]
    count = sum(len(ours) * len(theirs) for ours, theirs in lists)
    if count > bounds.ROUTER_LISTED_PAIRS:
        raise AnswerNotUnderstood(
            f"{counted(count, 'pair')} of networks or addresses; at most "
            f"{bounds.ROUTER_LISTED_PAIRS:,} are supported",
            where="list-conns and list-sas",
            router=state.router,
        )


def _asked(vici: Vici, command: str) -> Fields:
    return Fields(vici.request(command), command)


def _foreign_files(
    router: Router, adopted: frozenset[str], loaded: Collection[str]
) -> dict[str, ForeignFile]:
    """Of connections to be adopted, the files that nothing else needs. Reading them is a round trip more, for
    as long as a tunnel names what it adopts."""
    found = {}
    # A configuration that cannot be read, or taken apart, is left to its author.
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
        for name, body in entries(vici, "list-sas", "list-sa", wanted)
        if every or name.startswith(PREFIX) or name in adopted or name == connection
    ]
    return tuple(sorted(found, key=lambda sa: int(sa.id)))


def within_one_observation(fleet: Fleet) -> Fleet:
    """The same routers, to observe each of them once."""
    return fleet.within(lambda _: bounds.ROUTER_OBSERVATION_SECONDS_IN_ALL, "one observation")


def _observe(
    router: Router, sysctls: Mapping[str, tuple[str, ...]], adopted: Mapping[str, frozenset[str]]
) -> RouterState:
    return observe_router(router, sysctls[router.name], adopted.get(router.name, frozenset()))


def observe(
    fleet: Fleet,
    sysctls: Mapping[str, Iterable[str]],
    adopted: Mapping[str, frozenset[str]] | None = None,
) -> Observation:
    """Read many routers side by side; `sysctls` gives each router's keys, `adopted` its foreign connections.
    One that fails delays no other, and none longer than ROUTER_OBSERVATION_SECONDS_IN_ALL."""
    asked = {name: tuple(keys) for name, keys in sysctls.items()}
    task = partial(_observe, sysctls=asked, adopted=dict(adopted or {}))
    results = within_one_observation(fleet).each(sorted(sysctls), task)
    return Observation(
        states={name: result for name, result in results.items() if isinstance(result, RouterState)},
        failures={name: result for name, result in results.items() if isinstance(result, TunnelwrightError)},
    )


def rulesets(fleet: Fleet, routers: Iterable[str]) -> Mapping[str, tuple[netfilter.Entry, ...]]:
    """The whole nftables ruleset of each of these routers that reports it: only words depend on it."""
    read = within_one_observation(fleet).each(sorted(routers), _ruleset)
    return {name: found for name, found in read.items() if not isinstance(found, TunnelwrightError)}


def _ruleset(router: Router) -> tuple[netfilter.Entry, ...]:
    return netfilter.read(router.host.inspect().ruleset)
