"""Evaluates a router's other nftables rules for one packet, as far as the rules alone decide it.

A small evaluator over `nft -j list ruleset` (libnftables-json(5)). What it cannot decide (connection
tracking, marks, limits, iptables' own matches) is unknown, and only what is certain is reported: a rule
behind an undecided verdict is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from reconciler.facets.firewall import FAMILY, TABLE
from reconciler.model.bounds import RULES_DEPTH, RULES_WALKED
from reconciler.model.decoding import Fields, from_json, not_understood, sequence, text
from reconciler.model.errors import AnswerNotUnderstood

Entry = Mapping[str, Any]

_PROTOCOLS: Final = {"icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmpv6": 58, "sctp": 132}
_EXEMPTION: Final = 90
"""Our own NAT exemption's priority: a nat chain that is asked before it decides for it."""
_TRANSLATES: Final = frozenset({"masquerade", "snat", "dnat", "redirect"})
_VERDICTS: Final = _TRANSLATES | {"accept", "drop", "reject", "return", "jump", "goto"}
_OPAQUE: Final = frozenset({"vmap", "queue", "xt", "dup", "fwd", "tproxy", "synproxy"})
_CONDITIONS: Final = frozenset({"limit", "quota", "ct count"})


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet at one hook. `interfaces` are those it comes by and leaves by, None where it has none or
    where it is not known; `protocol` is IANA's number, `port` the destination's."""

    source: str
    destination: str
    protocol: int
    port: int | None = None
    interfaces: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule certainly does: `drop`, `reject`, `masquerade`, …; `rule` says where it stands."""

    action: str
    rule: str


_UNDECIDED: Final = Verdict("unknown", "")


def dropped(ruleset: Iterable[Entry], hook: str, packet: Packet) -> Verdict | None:
    """The foreign rule that drops the packet at a filter hook; None when none certainly does."""
    return _evaluate(ruleset, "filter", hook, packet, {"drop", "reject"})


def translated(ruleset: Iterable[Entry], hook: str, packet: Packet) -> Verdict | None:
    """The foreign rule that translates the packet before tunnelwright's exemption is asked."""
    return _evaluate(ruleset, "nat", hook, packet, _TRANSLATES)


def translates_source(ruleset: Iterable[Entry], packet: Packet) -> bool | None:
    """Whether a foreign rule gives a forwarded packet another source once nothing of ours exempts it; None
    where the rules alone do not decide it."""
    entries = list(ruleset)
    walk = _Walk(entries, packet)
    for chain in _chains(entries, "nat", "postrouting"):
        verdict = walk.base(chain)
        if verdict is not None and verdict.action in {"masquerade", "snat"}:
            return True
        if verdict is not None and verdict.action == "unknown":
            return None
    return False


def read(said: str) -> tuple[Entry, ...]:
    """The entries of `nft -j list ruleset`: chains, rules and sets say where they are. Their expressions are
    not looked into; what the evaluator does not know of them is undecided.

    Raises AnswerNotUnderstood.
    """
    where = "nft list ruleset"
    entries = Fields(from_json(said, where), where).items("nftables")
    for entry in entries:
        for kind, body in Fields(entry, where).sections():
            if kind in {"chain", "set"}:
                _named(body, "family", "table", "name")
            if kind == "rule":
                _named(body, "family", "table", "chain")
                body.items("expr", ())
            if kind == "chain" and not isinstance(prio := body.raw().get("prio", 0), int):
                raise not_understood(prio, "a priority", where, "chain")
    return tuple(Fields(entry, where).raw() for entry in entries)


def _named(body: Fields, *names: str) -> None:
    for name in names:
        body.text(name)


def _evaluate(
    ruleset: Iterable[Entry], kind: str, hook: str, packet: Packet, wanted: Iterable[str]
) -> Verdict | None:
    entries = list(ruleset)
    walk = _Walk(entries, packet)
    for chain in _chains(entries, kind, hook):
        if kind == "nat" and hook == "postrouting" and int(chain.get("prio", 0)) >= _EXEMPTION:
            continue
        verdict = walk.base(chain)
        if verdict is not None and verdict.action in wanted:
            return verdict
        if verdict is not None and verdict.action in _TRANSLATES | {"unknown"} and kind == "nat":
            return None
    return None


def _chains(entries: Iterable[Entry], kind: str, hook: str) -> Iterator[Entry]:
    """The foreign base chains of a hook for IPv4, in the order in which they are asked."""
    chains = [c for c in _bodies(entries, "chain") if (c.get("type"), c.get("hook")) == (kind, hook)]
    for chain in sorted(chains, key=lambda c: int(c.get("prio", 0))):
        ours = (chain["family"], chain["table"]) == (FAMILY, TABLE)
        if not ours and chain["family"] in {"ip", "inet"}:
            yield chain


def _bodies(entries: Iterable[Entry], kind: str) -> list[Entry]:
    return [entry[kind] for entry in entries if kind in entry]


class _Walk:
    """One packet's way through base chains."""

    def __init__(self, entries: list[Entry], packet: Packet) -> None:
        self._rules: dict[tuple[str, str, str], list[Entry]] = {}
        for rule in _bodies(entries, "rule"):
            self._rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
        self._sets = {(s["table"], s["name"]): s for s in reversed(_bodies(entries, "set"))}
        self._packet = packet
        self._left = RULES_WALKED

    def base(self, chain: Entry) -> Verdict | None:
        """The certain verdict of a base chain, `unknown` where an undecided rule comes first, or None."""
        verdict = self._chain(chain, str(chain["name"]), 0)
        if verdict is None and chain.get("policy") == "drop":
            return Verdict("drop", f"the policy of {_place(chain, str(chain['name']))}")
        return verdict

    def _chain(self, base: Entry, name: str, depth: int) -> Verdict | None:
        for rule in self._rules.get((base["family"], base["table"], name), ()):
            self._left -= 1
            verdict = self._rule(base, rule, depth) if self._left > 0 else _UNDECIDED
            if verdict is not None:
                return None if verdict.action == "return" else verdict
        return None

    def _rule(self, base: Entry, rule: Entry, depth: int) -> Verdict | None:
        """What a rule does to the packet; None when it lets it go on to the next rule."""
        certain = True
        for expression in rule.get("expr", ()):
            kind, body = _only(expression)
            if kind == "match":
                holds = self._holds(base, body)
                if holds is False:
                    return None
                certain = certain and holds is True
            elif kind in _CONDITIONS or not kind:
                certain = False
            elif kind in _VERDICTS | _OPAQUE:
                verdict = self._verdict(base, rule, kind, body, depth)
                return verdict if certain or verdict is None else _UNDECIDED
        return None

    def _verdict(self, base: Entry, rule: Entry, kind: str, body: object, depth: int) -> Verdict | None:
        if kind in {"jump", "goto"} and isinstance(body, Mapping) and depth < RULES_DEPTH:
            verdict = self._chain(base, str(body.get("target")), depth + 1)
            return verdict if verdict is not None or kind == "jump" else Verdict("return", "")
        if kind in _OPAQUE or kind in {"jump", "goto"}:
            return _UNDECIDED
        return Verdict(
            kind, f"the rule with handle {rule.get('handle', '?')} of {_place(rule, rule['chain'])}"
        )

    def _holds(self, base: Entry, body: object) -> bool | None:
        """Whether a match holds; None when that is not known, as where it has a form that is not known."""
        try:
            match = Fields(body)
            kind, left = _only(match.raw().get("left"))
            protocol = Fields(left).text("protocol", "") if kind == "payload" else ""
            if protocol in {"tcp", "udp"} and _PROTOCOLS[protocol] != self._packet.protocol:
                # The match implies the protocol, whatever its operator.
                return False
            value, operator = self._value(kind, left), match.text("op")
            if value is None or operator not in {"==", "!=", "in"}:
                return None
            same = self._among(base, value, match.raw()["right"]) if "right" in match else None
        except AnswerNotUnderstood:
            return None
        return same if same is None or operator != "!=" else not same

    def _value(self, kind: str, body: object) -> str | int | None:
        """What the packet has where a match looks; None when that is not known of it."""
        packet = self._packet
        known: dict[tuple[str, str], str | int | None] = {
            ("meta", "iifname"): packet.interfaces[0],
            ("meta", "oifname"): packet.interfaces[1],
            ("meta", "l4proto"): packet.protocol,
            ("meta", "nfproto"): "ipv4",
            ("meta", "protocol"): "ip",
            ("ip", "saddr"): packet.source,
            ("ip", "daddr"): packet.destination,
            ("ip", "protocol"): packet.protocol,
            ("udp", "dport"): packet.port,
            ("tcp", "dport"): packet.port,
            ("th", "dport"): packet.port,
        }
        if kind == "meta":
            return known.get(("meta", Fields(body).text("key", "")))
        if kind == "payload":
            fields = Fields(body)
            return known.get((fields.text("protocol", ""), fields.text("field", "")))
        return None

    def _among(self, base: Entry, value: str | int, right: object) -> bool | None:
        """Whether a value is, or is within, what a match compares it with."""
        if isinstance(right, str) and right.startswith("@"):
            named = self._sets.get((base["table"], right[1:]))
            return self._any(base, value, named.get("elem", ())) if named is not None else None
        if isinstance(right, Mapping):
            return self._within(base, value, right)
        if isinstance(right, Sequence) and not isinstance(right, str):
            return self._any(base, value, right)
        if isinstance(right, str) and right.endswith("*"):
            return str(value).startswith(right[:-1])
        wanted = _PROTOCOLS.get(str(right), right) if isinstance(value, int) else right
        return str(value) == str(wanted)

    def _within(self, base: Entry, value: str | int, right: object) -> bool | None:
        kind, body = _only(right)
        match kind:
            case "set":
                return self._any(base, value, body)
            case "elem":
                return self._among(base, value, Fields(body).raw().get("val"))
            case "prefix":
                prefix = Fields(body)
                return _number(value) in _network(prefix.text("addr"), prefix.number("len"))
            case "range":
                ends = sequence(body)
                if len(ends) != 2:
                    raise not_understood(body, "a range")
                return _number(ends[0]) <= _number(value) <= _number(ends[1])
        return None

    def _any(self, base: Entry, value: str | int, items: object) -> bool | None:
        answers = [self._among(base, value, item) for item in sequence(items)]
        return True if True in answers else None if None in answers else False


def _only(expression: object) -> tuple[str, object]:
    """The kind and the body of an expression; no kind where it has another form than an expression."""
    if isinstance(expression, Mapping) and len(expression) == 1:
        kind, body = next(iter(expression.items()))
        return str(kind), body
    return "", None


def _number(value: object) -> int:
    """A port, or an IPv4 address as an integer."""
    if isinstance(value, int):
        return value
    try:
        return int(IPv4Address(text(value)))
    except ValueError:
        raise not_understood(value, "an IPv4 address") from None


def _network(address: str, length: int) -> range:
    try:
        network = IPv4Network((address, length))
    except ValueError:
        raise not_understood(address, "an IPv4 network") from None
    return range(int(network.network_address), int(network.broadcast_address) + 1)


def _place(entry: Entry, chain: str) -> str:
    return f"chain {chain} of table {entry['family']} {entry['table']}"
