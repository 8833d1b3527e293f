"""IKE connections with their children: Tunnel -> swanctl settings, and list-conns -> the same form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from functools import lru_cache
from itertools import product
from typing import Any

from reconciler.facets.connections.transforms import proposals
from reconciler.model.decoding import Fields
from reconciler.model.fabric import IdType, IkeId, Tunnel
from reconciler.model.router_config import GIVE_UP_AFTER, Pair
from reconciler.model.swanctl import UNOBSERVABLE, Change, Settings, Value, flatten
from schemas.addresses import parse_cidr
from schemas.algorithms import esp_proposal, ike_proposal

_CHILD = "net"
# A prime below an hour in seconds: how far the grace may grow.
_SPREAD = 3593
_SLOW_GROUPS = frozenset({16, 17, 18})
"""MODP groups of 4096 bits and more (RFC 3526): one exchange takes a processor longer than a packet takes."""
_DIGITS = 12

# What list-conns does report (vici_query.c), in each release; all else is unobservable there, but for the
# proposals, which it reports from 6.0.7 on.
_REPORTED_IKE = frozenset({"version", "local_addrs", "remote_addrs", "rekey_time", "dpd_delay", "unique"})
_REPORTED_CHILD = frozenset({"local_ts", "remote_ts", "rekey_time", "dpd_action", "mode"})
_PROPOSALS = ("proposals", "esp_proposals")

SETS = frozenset({"local_ts", "remote_ts"})
"""Lists whose order has no meaning: traffic selectors (RFC 7296, section 2.9)."""

# What swanctl.conf words and charon reports: `restart` is starting again, `clear` is doing nothing more.
_DPD_ACTIONS = {"restart": "start", "clear": "none", "trap": "trap"}


def swanctl_id(identity: IkeId) -> str:
    """An identity with its type spelled out, so that both ends parse it alike (strongSwan,
    identification_create_from_string)."""
    match identity.type:
        case IdType.IP:
            return identity.value
        case IdType.FQDN:
            return f"fqdn:{_spelled(identity.value)}"
        case IdType.EMAIL:
            return f"rfc822:{_spelled(identity.value)}"


def _spelled(value: str) -> str:
    """VICI takes printable ASCII alone (vici_stringify), and charon reads `#` behind a type as the beginning
    of hexadecimal digits."""
    plain = value.isascii() and not value.startswith("#")
    return value if plain else f"#{value.encode().hex()}"


def compile_settings(tunnel: Tunnel, psk_fingerprint: str, give_up_after: int = GIVE_UP_AFTER) -> Settings:
    """One tunnel as swanctl's `connections.<name>`, at a router whose charon gives up a request after so many
    seconds.

    `over_time` (the grace after `rekey_time`) and `rand_time` (how much earlier it may be), each a tenth of
    the lifetime by default, are varied by the key's fingerprint: charon reuses an IKE_SA whose
    configuration is equal, so without a difference a new key could not be proven on an SA beside the old.
    """
    ike, esp = tunnel.ike, tunnel.esp
    number = int(psk_fingerprint, 16) ^ _of_its_own(tunnel)
    local: dict[str, Value] = {"auth": "psk", "id": swanctl_id(tunnel.local_id)}
    remote: dict[str, Value] = {"auth": "psk", "id": swanctl_id(tunnel.peer_id)}
    settings: dict[str, Any] = {
        "version": str(ike.version),
        "local_addrs": (tunnel.vip.address,),
        "remote_addrs": (tunnel.peer_address,),
        "proposals": (ike_proposal(ike.encryption, ike.integrity, ike.dh_group),),
        "rekey_time": f"{ike.lifetime}s",
        "over_time": f"{ike.lifetime // 10 + number % _SPREAD}s",
        "rand_time": f"{ike.lifetime // 10 - number // _SPREAD % (ike.lifetime // 20 + 1)}s",
        "dpd_delay": f"{ike.dpd_delay if ike.dpd_enabled else 0}s",
        # Two ends that set up an IKE_SA at the same time keep one: charon ends the older of two with an equal
        # configuration ten seconds later (ike_sa_manager.c, enforce_replace), and none of another
        # configuration, so a change can still be made beside the running IKE_SA.
        "unique": "replace",
        # Try for ever: a peer that is back is not kept waiting for a packet.
        "keyingtries": "0",
        # VIPs do not move, and MOBIKE would put ESP into UDP as soon as addresses look translated.
        "mobike": "no",
        "fragmentation": "yes",
        "local": local,
        "remote": remote,
    }
    if ike.version == 1:
        settings["aggressive"] = "no"
        if ike.dpd_enabled:
            # Of itself charon takes the time of all retransmissions less this delay, which is below zero
            # where the delay is longer, and then waits for 49 days (task_manager_v1.c, queue_dpd). IKEv1
            # sends a check once, so that only the second one without an answer counts.
            settings["dpd_timeout"] = f"{2 * ike.dpd_delay + give_up_after}s"
    child: dict[str, Value] = {
        "esp_proposals": (esp_proposal(esp.encryption, esp.integrity, esp.pfs_group),),
        "rekey_time": f"{esp.lifetime}s",
        "life_time": f"{esp.lifetime + max(esp.lifetime // 10, 5)}s",
        "mode": "tunnel",
        # `trap` brings the tunnel up with the first packet, and again whenever it is gone; with
        # `start` charon would close the SAs of a child whose configuration is loaded anew.
        "start_action": "trap",
        "close_action": "none",
        "dpd_action": ike.dpd_action if ike.dpd_enabled else "clear",
    }
    settings["children"] = {
        name: {"local_ts": local_ts, "remote_ts": remote_ts, **child}
        for name, local_ts, remote_ts in selectors(tunnel)
    }
    return settings


def _of_its_own(tunnel: Tunnel) -> int:
    """A number that no other child has, where a child shall come up with an IKE_SA of its own; else zero.

    The peer uses a second CHILD_SA before this end has computed the secret of its DH exchange, and what it
    sends until then is lost on the userspace data plane: with 8192 bits ten packets at 1,000 a second. In
    IKE_AUTH there is no such exchange (RFC 7296, section 1.2); quick mode always has it.
    """
    esp = tunnel.esp
    if tunnel.ike.version != 2 or esp.pfs_group not in _SLOW_GROUPS:
        return 0
    # The whole policy, so that no field can be forgotten.
    child = (*astuple(esp), tunnel.ike.dpd_action, *map(_in_order, (tunnel.local_cidrs, tunnel.peer_cidrs)))
    return int(hashlib.sha256(repr(child).encode()).hexdigest()[:_DIGITS], 16)


def selectors(tunnel: Tunnel) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Child name, local and remote selectors. IKEv1 quick mode carries one pair for each child
    (RFC 2409, section 5.5); IKEv2 carries lists."""
    if tunnel.ike.version == 2:
        yield _CHILD, _in_order(tunnel.local_cidrs), _in_order(tunnel.peer_cidrs)
        return
    for local, remote in product(_in_order(tunnel.local_cidrs), _in_order(tunnel.peer_cidrs)):
        name = f"{_CHILD}-{local}-{remote}".replace(".", "_").replace("/", "_")
        yield name, (local,), (remote,)


def _in_order(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted by address: the author's order means nothing, and must change nothing."""
    return tuple(sorted(cidrs, key=lambda cidr: (parse_cidr(cidr), cidr)))


def guarded_pairs(tunnel: Tunnel) -> tuple[Pair, ...]:
    """Every (local CIDR, peer CIDR) pair that the tunnel protects."""
    return tuple((local, remote) for local in tunnel.local_cidrs for remote in tunnel.peer_cidrs)


def decode(name: str, listed: object) -> Settings:
    """One connection of list-conns in the vocabulary of the desired settings.

    Raises AnswerNotUnderstood.
    """
    reply = Fields(listed, "list-conns", name)
    children: dict[str, Settings] = {
        child_name: {
            "local_ts": child.texts("local-ts"),
            "remote_ts": child.texts("remote-ts"),
            "rekey_time": f"{child.number('rekey_time')}s",
            "mode": child.text("mode").lower(),
            "dpd_action": child.text("dpd_action"),
            **_decode_proposals(child, "esp_proposals"),
        }
        for child_name, child in reply.section("children").sections()
    }
    return {
        "version": {"IKEv1": "1", "IKEv2": "2"}.get(reply.text("version"), "0"),
        "local_addrs": reply.texts("local_addrs"),
        "remote_addrs": reply.texts("remote_addrs"),
        "rekey_time": f"{reply.number('rekey_time') or reply.number('reauth_time')}s",
        "dpd_delay": f"{reply.number('dpd_delay', 0)}s",
        "unique": reply.text("unique").removeprefix("UNIQUE_").lower(),
        **_decode_proposals(reply, "proposals"),
        "local": _decode_auth(reply.section("local-1", {})),
        "remote": _decode_auth(reply.section("remote-1", {})),
        "children": children,
    }


def _decode_proposals(reply: Fields, name: str) -> Settings:
    """Nothing where charon does not report them."""
    return {name: proposals(reply.section(name))} if name in reply else {}


def _decode_auth(section: Fields) -> Settings:
    auth = section.text("class", "none")
    return {"auth": "psk" if auth == "pre-shared key" else auth, "id": section.text("id", "")}


FOLLOWS_THE_KEY = frozenset({"over_time", "rand_time"})
"""Settings that vary with the key's fingerprint, so that charon takes a connection with another key for
another one, and sets up a new IKE_SA for it."""
_OURS = FOLLOWS_THE_KEY | {
    *("unique", "keyingtries", "mobike", "fragmentation", "aggressive", "dpd_timeout"),
    *("life_time", "mode", "start_action", "close_action"),
}
"""Settings, of a connection or of a child, that no document has: tunnelwright chooses them."""


def compare(desired: Settings, live: Settings | None, in_file: Settings | None) -> tuple[Change, ...]:
    """Every field of one connection that differs from what is desired.

    `live` is what list-conns reports, `in_file` what the router's own file says. A field that neither
    reports is unobservable, and unobservable is never equal.
    """
    if live is None:
        return tuple(Change(path, None, value, "vici") for path, value in flatten(desired))
    wanted = dict(flatten(desired))
    reported = dict(flatten(live))
    # Of a file that is right the desired settings themselves are given.
    written = wanted if in_file is desired else dict(flatten(in_file)) if in_file is not None else None
    changes = []
    for path, value in wanted.items():
        if _is_reported(path) or (path in reported and path.rpartition(".")[2] in _PROPOSALS):
            known = reported.get(path)
            if known is None or not same_value(path, _as_reported(path, value), known):
                changes.append(Change(path, known, value, "vici"))
        elif written is None:
            changes.append(Change(path, UNOBSERVABLE, value, "file"))
        elif value != written.get(path) and not same_value(path, value, written.get(path)):
            changes.append(Change(path, written.get(path), value, "file"))
    changes += [Change(path, value, None, "vici") for path, value in reported.items() if path not in wanted]
    changes += [
        Change(path, value, None, "file")
        for path, value in (written or {}).items()
        if path not in wanted and path not in reported
    ]
    return tuple(changes)


def same_value(path: str, one: Value | None, other: Value | None) -> bool:
    """True when two values of a setting mean the same."""
    if isinstance(one, tuple) and isinstance(other, tuple) and path.rpartition(".")[2] in SETS:
        return set(one) == set(other)
    return one == other


def as_reported(settings: Settings) -> Settings:
    """Desired settings as `decode` would give them, were they loaded."""
    children = settings["children"]
    sections = children.items() if isinstance(children, Mapping) else ()
    found: dict[str, Any] = {key: settings[key] for key in _REPORTED_IKE}
    for end in ("local", "remote"):
        section = settings[end]
        if isinstance(section, Mapping):
            found[end] = {"auth": section["auth"], "id": printed_id(str(section["id"]))}
    found["children"] = {
        name: {
            key: _as_reported(key, value)
            for key, value in section.items()
            if key in _REPORTED_CHILD and isinstance(value, str | tuple)
        }
        for name, section in sections
        if isinstance(section, Mapping)
    }
    return found


@lru_cache(maxsize=4096)
def _is_reported(path: str) -> bool:
    head, *rest = path.split(".")
    if head == "children":
        return rest[-1] in _REPORTED_CHILD
    return head in _REPORTED_IKE or head in {"local", "remote"}


def _as_reported(path: str, value: Value) -> Value:
    """A desired value as list-conns words it."""
    if isinstance(value, tuple):
        return value
    leaf = path.rsplit(".", 1)[-1]
    if leaf == "dpd_action":
        return _DPD_ACTIONS[value]
    if leaf == "id":
        return printed_id(value)
    return value


def printed_id(identity: str) -> str:
    """An identity as charon prints it: without its type, unprintable bytes as `?` (chunk_printable)."""
    _, _, rest = identity.rpartition(":") if identity[:1].isdigit() else identity.partition(":")
    text = rest or identity
    if text.isascii() and text.isprintable() and not text.startswith("#"):
        return text
    content = bytes.fromhex(text[1:]) if text.startswith("#") else text.encode()
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in content)


def is_ours(change: Change) -> bool:
    """Whether it is one of a setting that no document has, but tunnelwright chooses."""
    return change.path.rpartition(".")[2] in _OURS


def affects_ike_sa(change: Change) -> bool:
    """True when a running IKE_SA would go on with the old value (strongSwan keeps an SA's config)."""
    return not change.path.startswith("children.")


def moves(change: Change) -> bool:
    """True when the tunnel's endpoints move."""
    return change.path in {"local_addrs", "remote_addrs"}


Lists = tuple[tuple[str, ...], tuple[str, ...]]
"""What one side lists, and the other: addresses, or networks."""


def listed_ends(settings: Settings) -> tuple[Lists, tuple[Lists, ...]]:
    """What a connection that a router has lists, whatever else is in it: the addresses of both sides, and for
    each child the networks of both."""
    children = settings.get("children")
    sections = children.values() if isinstance(children, Mapping) else ()
    networks = (
        (_texts(child.get("local_ts")), _texts(child.get("remote_ts")))
        for child in sections
        if isinstance(child, Mapping)
    )
    return (_texts(settings.get("local_addrs")), _texts(settings.get("remote_addrs"))), tuple(networks)


def _texts(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()
