"""tunnelwright's own nftables table: the firewall and NAT without which a tunnel leaks or is dead.

A fixed set of rules over two sets, so that one changed tunnel changes elements and no rule. Rules are
built and compared as libnftables JSON (libnftables-json(5)), which lists exactly as it loads.

An accept ends the evaluation of this table alone: a router's own table that drops IKE or ESP still
drops it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Network
from itertools import chain
from typing import Any, Final

from reconciler.facets.connections import guarded_pairs
from reconciler.model.fabric import Tunnel
from reconciler.model.router_config import Firewall, LiveFirewall, Pair
from schemas.addresses import Interval, merged, parse_address, parse_cidr

FAMILY: Final = "inet"
TABLE: Final = "tunnelwright"
COPY: Final = "tunnelwright_loading"
"""The table that guards while ours is replaced."""
_HERE: Final = {"family": FAMILY, "table": TABLE}
_ESP: Final = 50
# kernel-libipsec hands decrypted packets over on this interface; XFRM marks them instead, and has no
# such interface. Each guard lets both through, so it does not depend on the data plane.
_IPSEC_INTERFACE: Final = "ipsec0"
SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "guarded": ("interval",),
    "broadcast": ("interval",),
    "peers": (),
}
"""The sets by name, with their flags; the elements of each are pairs of IPv4 addresses, with the flag
`interval` also of networks and ranges."""
SET_TYPE: Final = ("ipv4_addr", "ipv4_addr")
_ZONE: Final = 21591
"""A connection-tracking zone of our own: a flow that was translated before its tunnel came keeps that
translation for as long as it lives, except in a zone that does not know it."""


def guard(tunnel: Tunnel, mss: int) -> Firewall:
    """What one tunnel needs of the table. A disabled one is guarded, but its peer may not speak IKE.

    What comes through it for a transit network goes on through another tunnel. It is guarded here too, so
    that it does not leave in the clear where that other tunnel is not there yet, or no more.
    """
    pairs = frozenset(guarded_pairs(tunnel)) | {
        (remote, local) for local in tunnel.transit_cidrs for remote in tunnel.peer_cidrs
    }
    return Firewall(
        guarded=pairs,
        broadcast=frozenset((local, last) for local, remote in pairs if (last := _broadcast(remote))),
        peers=frozenset({(tunnel.vip.address, tunnel.peer_address)} if tunnel.enabled else ()),
        mss=mss,
    )


def together(guards: Collection[Firewall], mss: int, outside: frozenset[str] = frozenset()) -> Firewall:
    """The table for all tunnels of a router; `outside` are the interfaces of its public networks."""
    return Firewall(
        guarded=frozenset(chain.from_iterable(guard.guarded for guard in guards)),
        broadcast=frozenset(chain.from_iterable(guard.broadcast for guard in guards)),
        peers=frozenset(chain.from_iterable(guard.peers for guard in guards)),
        mss=mss,
        outside=outside,
    )


@lru_cache(maxsize=65_536)
def _broadcast(cidr: str) -> str:
    """The directed broadcast address of a network as a /32 CIDR; empty where there is none (RFC 3021)."""
    network = IPv4Network(cidr)
    return f"{network.broadcast_address}/32" if network.prefixlen <= 30 else ""


def compile_rules(mss: int, outside: frozenset[str]) -> tuple[dict[str, Any], ...]:
    """The chains and rules as libnftables JSON objects, in order, without sets.

    - zone_forward, zone_output: tunnel traffic is tracked in a zone of its own.
    - input: IKE (UDP 500, 4500) and ESP from each peer to its VIP are accepted; a packet that claims to
      come from a peer CIDR but did not come through IPsec is dropped.
    - forward and output: broadcasts into a peer CIDR are dropped, as a tunnel carries unicast; what
      belongs into a tunnel and is not on its way into one is dropped, so nothing leaves in the clear
      while a tunnel is down; what came out of a tunnel does not leave by an interface of a public network,
      where it would go by the default route while the interface of its own network is down; TCP MSS is
      clamped.
    - postrouting: source NAT to the address it has already. The first NAT decision of a flow stands
      (nf_nat_core), so a masquerade of the router's own that follows leaves it alone.
    """
    to_peer, from_peer = _pair("saddr", "daddr", "guarded"), _pair("daddr", "saddr", "guarded")
    ike_peer = _pair("daddr", "saddr", "peers")
    not_decrypted = [_differs("iifname"), _is(_meta("ipsec"), False)]
    unencrypted = _is({"rt": {"key": "ipsec"}}, False)
    not_encrypted = [_differs("oifname"), unencrypted]
    count: dict[str, Any] = {"counter": {"packets": 0, "bytes": 0}}
    drop, accept = {"drop": None}, {"accept": None}
    ike_ports = _is(_payload("udp", "dport"), {"set": [500, 4500]})
    broadcast = _pair("saddr", "daddr", "broadcast")
    own_zone = {"mangle": {"key": {"ct": {"key": "zone"}}, "value": _ZONE}}
    return (
        _chain("zone_forward", "filter", -300, hook="prerouting"),
        _chain("zone_output", "filter", -300, hook="output"),
        _chain("input", "filter", -10),
        _chain("forward", "filter", -10),
        _chain("output", "filter", -10),
        _chain("postrouting", "nat", 90),
        _rule("zone_forward", to_peer, own_zone),
        _rule("zone_forward", from_peer, own_zone),
        _rule("zone_output", to_peer, own_zone),
        _rule("input", ike_peer, ike_ports, count, accept),
        _rule("input", ike_peer, _is(_meta("l4proto"), _ESP), count, accept),
        _rule("input", from_peer, *not_decrypted, count, drop),
        _rule("forward", from_peer, *not_decrypted, count, drop),
        _rule("forward", broadcast, count, drop),
        _rule("forward", to_peer, *not_encrypted, count, drop),
        *(
            _rule("forward", from_peer, _is(_meta("oifname"), name), unencrypted, count, drop)
            for name in sorted(outside)
        ),
        _rule("forward", to_peer, *_clamp(mss)),
        _rule("forward", from_peer, *_clamp(mss)),
        _rule("output", broadcast, count, drop),
        _rule("output", to_peer, *not_encrypted, count, drop),
        _rule("postrouting", to_peer, count, {"snat": {"family": "ip", "addr": _payload("ip", "saddr")}}),
    )


def _chain(name: str, kind: str, priority: int, hook: str = "") -> dict[str, Any]:
    body = {"name": name, "type": kind, "hook": hook or name, "prio": priority, "policy": "accept"}
    return {"chain": {**_HERE, **body}}


def _rule(chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {**_HERE, "chain": chain, "expr": list(expressions)}}


def _is(left: dict[str, Any], right: object, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def _payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def _meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def _differs(key: str) -> dict[str, Any]:
    return _is(_meta(key), _IPSEC_INTERFACE, "!=")


def _pair(first: str, second: str, of_set: str) -> dict[str, Any]:
    return _is({"concat": [_payload("ip", first), _payload("ip", second)]}, f"@{of_set}")


def _clamp(mss: int) -> list[dict[str, Any]]:
    size = {"tcp option": {"name": "maxseg", "field": "size"}}
    # One flag alone: a mask of several is listed in one way by nftables 1.0.6, in another by 1.1.3.
    return [
        _is(_payload("tcp", "flags"), "syn", "in"),
        _is(size, mss, ">"),
        {"mangle": {"key": size, "value": mss}},
    ]


def canonical(rules: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Chains and rules in a comparable form: handles and counter values left out. Chains come first in order
    of name, because a listing gives them in another order than they were made."""
    chains: list[str] = []
    others: list[tuple[str, str]] = []
    for entry in rules:
        kind, body = next(iter(entry.items()))
        kept = {key: value for key, value in body.items() if key not in {"handle", "index"}}
        if kind == "rule" and "expr" in kept:
            kept["expr"] = [_alike(part) for part in kept["expr"]]
        words = json.dumps({kind: kept}, sort_keys=True)
        if kind == "chain":
            chains.append(words)
        else:
            others.append((body["chain"], words))
    # Order matters among the rules of one chain alone.
    others.sort(key=lambda rule: rule[0])
    return (*sorted(chains), *(words for _, words in others))


def _alike(expression: object) -> object:
    """An expression in one form, whatever its counter says and however it is printed."""
    if isinstance(expression, Mapping) and "counter" in expression:
        return {"counter": None}
    if expression == _is(_meta("l4proto"), "esp"):
        # Where there is an /etc/protocols, nftables prints names.
        return _is(_meta("l4proto"), _ESP)
    return expression


def element_path(name: str, pair: Pair) -> str:
    """An element of a set, as a plan names it."""
    return f"{name}[{pair[0]} {pair[1]}]"


def _as_listed(pair: Pair) -> Pair:
    """nft lists a /32 as a bare address."""
    return pair[0].removesuffix("/32"), pair[1].removesuffix("/32")


@lru_cache(maxsize=64)
def _desired_rules(mss: int, outside: frozenset[str]) -> tuple[str, ...]:
    """The rules to compare with: thousands of routers have the same."""
    return canonical(compile_rules(mss, outside))


def as_applied(desired: Firewall) -> LiveFirewall | None:
    """The table as `decode` would give it, were it loaded; None when none would be."""
    if not (desired.guarded or desired.peers):
        return None
    guarded, broadcast, peers = (
        frozenset(map(_as_listed, pairs)) for pairs in (desired.guarded, desired.broadcast, desired.peers)
    )
    return LiveFirewall(guarded, broadcast, peers, rules=_desired_rules(desired.mss, desired.outside))


def same_rules(desired: Firewall, live: LiveFirewall | None) -> bool:
    """True when the table's chains and rules are exactly the desired ones."""
    return live is not None and live.rules == _desired_rules(desired.mss, desired.outside)


def differences(
    desired: Firewall, live: LiveFirewall | None
) -> dict[str, tuple[frozenset[Pair], frozenset[Pair]]]:
    """Set name to (elements to add, elements to delete)."""
    found = {}
    for name in SETS:
        wanted = frozenset(_as_listed(pair) for pair in getattr(desired, name))
        there = getattr(live, name) if live is not None else frozenset()
        found[name] = (wanted - there, there - wanted)
    return found


def in_the_way(added: frozenset[Pair], removed: frozenset[Pair]) -> frozenset[Pair]:
    """Those of the elements to remove that overlap one to add: a set of intervals does not take both, so
    these give way in the transaction that adds. Sources are few: each of the removed is compared with each of
    the added once, and destinations are looked up."""
    wanted = _by_source(added)
    found: list[Pair] = []
    for source, pairs in _by_source(removed).items():
        met = [_span(pair[1]) for other in wanted if source.overlaps(other) for pair in wanted[other]]
        destinations = merged(met)
        found += (pair for pair in pairs if _meets(_span(pair[1]), destinations))
    return frozenset(found)


def _by_source(pairs: Iterable[Pair]) -> dict[Interval, list[Pair]]:
    found: dict[Interval, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(_span(pair[0]), []).append(pair)
    return found


def _meets(one: Interval, others: list[Interval]) -> bool:
    """True when an interval overlaps one of others that are sorted and apart."""
    index = bisect_left(others, (one.last + 1,)) - 1
    return index >= 0 and others[index].last >= one.first


def beside(
    desired: Firewall, live: LiveFirewall | None, guards: Mapping[str, Firewall], waiting: Collection[str]
) -> Firewall:
    """The table while some of the tunnels stay as they are: theirs is not added where it would push aside
    what is there. `guards` has what each tunnel needs."""
    found: dict[str, frozenset[Pair]] = {}
    for name, (added, removed) in differences(desired, live).items():
        needed = {
            pair for tunnel, guard in guards.items() if tunnel not in waiting for pair in getattr(guard, name)
        }
        others = frozenset(pair for pair in getattr(desired, name) - needed if _as_listed(pair) in added)
        pushing = in_the_way(removed, others)
        found[name] = getattr(desired, name) - pushing
    return replace(desired, guarded=found["guarded"], broadcast=found["broadcast"], peers=found["peers"])


@lru_cache(maxsize=65_536)
def _span(part: str) -> Interval:
    """The first and the last address, as numbers."""
    first, dash, last = part.partition("-")
    if dash:
        return Interval(parse_address(first), parse_address(last))
    return parse_cidr(part if "/" in part else f"{part}/32")


def rebuild(desired: Firewall, kept: Mapping[str, frozenset[Pair]], table: str = TABLE) -> str:
    """A transaction that makes the whole table anew, or a copy of it. `kept` are live elements to hold on to
    until the tunnels that they guard are gone. Packets on their way may pass between the old table and the
    new one, so where there is an old one a copy has to guard until the new one does."""
    named = {"family": FAMILY, "name": table}
    commands = [_command(verb, "table", named) for verb in ("add", "delete", "add")]
    for name, flags in SETS.items():
        wanted = elements(desired, name, kept)
        body: dict[str, Any] = {**_HERE, "table": table, "name": name, "type": list(SET_TYPE)}
        if flags:
            body["flags"] = list(flags)
        commands.append(_command("add", "set", body, wanted))
    for entry in compile_rules(desired.mss, desired.outside):
        commands += (_command("add", kind, {**body, "table": table}) for kind, body in entry.items())
    return _transaction(commands)


def elements(desired: Firewall, name: str, kept: Mapping[str, frozenset[Pair]]) -> frozenset[Pair]:
    """The elements of one set as nft lists them, with those of `kept`."""
    return frozenset(map(_as_listed, getattr(desired, name))) | kept.get(name, frozenset())


def element_changes(
    *, add: Mapping[str, frozenset[Pair]] | None = None, delete: Mapping[str, frozenset[Pair]] | None = None
) -> str:
    """A transaction that first deletes and then adds elements, by the name of their set."""
    return _transaction(
        _command(verb, "element", {**_HERE, "name": name}, pairs)
        for verb, elements in (("delete", delete), ("add", add))
        for name, pairs in (elements or {}).items()
        if pairs
    )


def _transaction(commands: Iterable[str]) -> str:
    return f'{{"nftables": [{", ".join(commands)}]}}'


def _command(verb: str, kind: str, body: Mapping[str, Any], elements: Collection[Pair] = ()) -> str:
    """One command as JSON. Its elements are written one by one from parts that many of them share: as objects
    for the JSON encoder, tens of thousands take four times as long."""
    words = json.dumps(body)
    if elements:
        pairs = ", ".join([_element(*pair) for pair in sorted(elements)])
        words = f'{words[:-1]}, "elem": [{pairs}]}}'
    return f'{{"{verb}": {{"{kind}": {words}}}}}'


def _element(first: str, second: str) -> str:
    return f'{{"concat": [{_encode_part(first)}, {_encode_part(second)}]}}'


@lru_cache(maxsize=65_536)
def _encode_part(part: str) -> str:
    """An address, a range or a network, as JSON."""
    first, dash, last = part.partition("-")
    if dash:
        return json.dumps({"range": [first, last]})
    address, slash, length = part.partition("/")
    return json.dumps({"prefix": {"addr": address, "len": int(length)}} if slash else address)
