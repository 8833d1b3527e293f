"""A charon in memory: VICI's commands, and SAs negotiated with the charon that holds the peer's address.

As the real one it reports what list-conns reports and no more, keeps an SA's old configuration, leaves
SAs running when a connection is unloaded, and forgets all that was loaded when it restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Final

from netaddr import IPNetwork

from reconciler.facets.connections import printed_id
from reconciler.model.errors import CommandRejected, RouterUnreachable
from reconciler.routers.protocol import Message, ViciEvent
from tests.memory.network import CIPHERS, INTEGRITY, Child, Network, Sa

EVENTS = frozenset({"log", "ike-updown", "child-updown", "ike-rekey", "child-rekey"})
_OVER: Final[ViciEvent] = ("", {})
_NEGOTIATED = (
    "version",
    "local_addrs",
    "remote_addrs",
    "proposals",
    "unique",
    "keyingtries",
    "over_time",
    "rand_time",
    "rekey_time",
    "local",
    "remote",
    "dpd_delay",
)


class Charon:
    """One charon on a network."""

    def __init__(self, name: str, network: Network) -> None:
        self.name = name
        self.up = True
        self.version = "6.0.1"
        self.reports_proposals = False
        """Whether list-conns has them, as from 6.0.7 on."""
        self.more_plugins = ["kernel-libipsec"]
        """What carries ESP: in userspace, as in the lab; where it is empty, the kernel."""
        self.connections: dict[str, dict[str, Any]] = {}
        self.shared: dict[str, dict[str, Any]] = {}
        self.sas: list[Sa] = []
        self.narrows: Callable[[list[str]], list[str]] = lambda selectors: selectors
        """What it agrees to, when it answers, of selectors that it has."""
        self._network = network
        self._events: SimpleQueue[ViciEvent | None] = SimpleQueue()

    def request(self, command: str, message: Message | None = None) -> Message:
        """One VICI command."""
        self._check(command)
        body = dict(message or {})
        match command:
            case "version":
                return {"daemon": "charon-memory", "version": self.version}
            case "stats":
                return {"plugins": ["vici", "kernel-netlink", *self.more_plugins]}
            case "get-shared":
                return {"keys": list(self.shared)}
            case "load-shared":
                # One that is loaded again counts as the last (mem_cred.c, add_shared_unique).
                self.shared.pop(body["id"], None)
                self.shared[body["id"]] = body
            case "unload-shared":
                self.shared.pop(body["id"], None)
            case "load-conn":
                self.connections.update(body)
            case "reload-settings":
                return {}
            case "unload-conn":
                if self.connections.pop(body["name"], None) is None:
                    raise self._rejected(command, f"unload: connection '{body['name']}' not found")
            case _:
                raise self._rejected(command, "Unknown command")
        return {}

    def stream(self, command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        """One VICI command that streams events."""
        self._check(command)
        body = dict(message or {})
        match command, event:
            case "list-conns", "list-conn":
                yield from [
                    {name: _reported(settings, proposals=self.reports_proposals)}
                    for name, settings in self.connections.items()
                ]
            case "list-sas", "list-sa":
                wanted = body.get("ike")
                yield from [
                    {sa.connection: sa.listed()} for sa in self.sas if wanted in {None, sa.connection}
                ]
            case "initiate", "control-log":
                yield from self._initiate(
                    body["ike"], body["child"], asynchronous=body.get("timeout") == "-1"
                )
            case "terminate", "control-log":
                self._terminate(body)
            case _:
                raise self._rejected(command, "Unknown command")

    def subscribe(self, *events: str) -> frozenset[str]:
        """What happens from now on; nothing is logged."""
        self._check("events")
        self._events = SimpleQueue()
        return EVENTS.intersection(events)

    def next_event(self, pause: float) -> ViciEvent | None:
        """The next event; a charon that ends closes its sessions."""
        try:
            event = self._events.get(timeout=pause)
        except Empty:
            event = None
            self._check("events")
        if event is _OVER:
            raise RouterUnreachable("it closed the session", router=self.name, operation="events")
        return event

    def happens(self, event: str, message: Message) -> None:
        """Send an event to its followers."""
        self._events.put((event, message))

    def goes(self, sa: Sa, children: Iterable[Child] | None = None, *, up: bool = False) -> None:
        """An IKE_SA with its children, or some of those alone, has come up or gone down."""
        listed = {**sa.listed(), "child-sas": {}}
        flag = {"up": "yes"} if up else {}
        if children is None:
            self.happens("ike-updown", {**flag, sa.connection: listed})
        for child in sa.children if children is None else children:
            named = {f"{child.name}-{child.number}": child.listed()}
            self.happens("child-updown", {**flag, sa.connection: {**listed, "child-sas": named}})

    def ends(self) -> None:
        """It is killed: its followers get no more events."""
        self._events.put(_OVER)

    def rekey(self) -> None:
        """Replace every CHILD_SA, and report it as charon does: by no updown."""
        for sa in self.sas:
            for child in list(sa.children):
                new = replace(child, number=self._network.number())
                sa.children[sa.children.index(child)] = new
                pair = {child.name: {"old": child.listed(), "new": new.listed()}}
                self.happens("child-rekey", {sa.connection: {**sa.listed(), "child-sas": pair}})

    def acquire(self, covers: Callable[[list[str], list[str]], bool]) -> None:
        """A packet that no SA carries: bring up the trapped children whose selectors cover it."""
        for name, settings in list(self.connections.items()):
            for child, section in settings["children"].items():
                trapped = section.get("start_action") == "trap"
                if trapped and covers(section["local_ts"], section["remote_ts"]):
                    self._negotiate(name, settings, child)

    def _initiate(self, name: str, child: str, *, asynchronous: bool) -> Iterator[Message]:
        settings = self.connections.get(name)
        if settings is None or child not in settings["children"]:
            raise self._rejected("initiate", f"CHILD_SA config '{child}' not found")
        failure = self._duplicate(settings, child) or self._negotiate(name, settings, child)
        if failure and not asynchronous:
            yield {"msg": failure}
            raise self._rejected("initiate", f"establishing CHILD_SA '{child}' failed")
        newest = max((c.number for sa in self.sas for c in sa.children if c.name == child), default=0)
        yield {"msg": f"CHILD_SA {child}{{{newest}}} established with SPIs and TS"}

    def _duplicate(self, settings: dict[str, Any], child: str) -> str:
        """charon refuses a CHILD_SA beside one of the same configuration in the same IKE_SA."""
        fingerprint, section = _fingerprint(settings), repr(settings["children"][child])
        for sa in self.sas:
            same = [c for c in sa.children if c.name == child and c.fingerprint == section]
            if sa.fingerprint == fingerprint and same:
                return f"not establishing CHILD_SA {child} due to existing duplicate {{{same[0].number}}}"
        return ""

    def _negotiate(self, name: str, settings: dict[str, Any], child: str) -> str:
        """Set the SAs up at both ends; why not, when it cannot be done. The rules are those of RFC 7296
        that a configuration can break: addresses, version, proposals, identities, key, selectors."""
        local, remote = settings["local_addrs"][0], settings["remote_addrs"][0]
        peer = self._network.holder(remote)
        if peer is None or not self._network.reachable(local):
            return "giving up after 5 retransmits"
        found = peer._connection_for(local, remote)
        if found is None or not _compatible(settings, found[1]):
            return "received NO_PROPOSAL_CHOSEN notify error"
        peer_name, theirs = found
        if not _mirrored(settings, theirs) or not _proven(settings, self._keys(settings), peer._keys(theirs)):
            return "received AUTHENTICATION_FAILED notify error"
        ours_sa = self._running(settings)
        if ours_sa is None or ours_sa.peer is None:
            ours_sa = self._ike_sa(name, settings, initiator=True)
            ours_sa.peer = peer._ike_sa(peer_name, theirs, initiator=False)
            ours_sa.peer.peer = ours_sa
        else:
            # The configurations of both SAs stay their own; only the children are those of the new ones.
            ours_sa.settings = {**ours_sa.settings, "children": settings["children"]}
            ours_sa.peer.settings = {**ours_sa.peer.settings, "children": theirs["children"]}
        return self._child_sas(ours_sa, ours_sa.peer, child, peer)

    def _child_sas(self, ours_sa: Sa, theirs_sa: Sa, name: str, answering: Charon) -> str:
        narrowed = answering.narrows
        wanted = ours_sa.settings["children"][name]
        for their_name, theirs in theirs_sa.settings["children"].items():
            local_ts = narrowed(_common(wanted["local_ts"], theirs["remote_ts"]))
            remote_ts = narrowed(_common(wanted["remote_ts"], theirs["local_ts"]))
            if not local_ts or not remote_ts:
                continue
            common = [p for p in wanted["esp_proposals"] if p in theirs["esp_proposals"]]
            if not common:
                return "received NO_PROPOSAL_CHOSEN notify error"
            ours = Child(self._network.number(), name, repr(wanted), common[0], local_ts, remote_ts)
            other = Child(self._network.number(), their_name, repr(theirs), common[0], remote_ts, local_ts)
            ours.peer, other.peer = other, ours
            ours_sa.children.append(ours)
            theirs_sa.children.append(other)
            self.goes(ours_sa, [ours], up=True)
            answering.goes(theirs_sa, [other], up=True)
            return ""
        return "received TS_UNACCEPTABLE notify error"

    def _connection_for(self, remote: str, local: str) -> tuple[str, dict[str, Any]] | None:
        """The connection for a packet that came from `remote` to `local`."""
        for name, settings in self.connections.items():
            if local in settings["local_addrs"] and remote in settings["remote_addrs"]:
                return name, settings
        return None

    def _running(self, settings: dict[str, Any]) -> Sa | None:
        """The IKE_SA of an equal configuration, whatever it is called (checkout_by_config): the initiating
        end's choice alone."""
        fingerprint = _fingerprint(settings)
        return next((sa for sa in self.sas if sa.fingerprint == fingerprint), None)

    def _ike_sa(self, name: str, settings: dict[str, Any], *, initiator: bool) -> Sa:
        sa = Sa(self._network.number(), name, settings, _fingerprint(settings), initiator)
        self.sas.append(sa)
        return sa

    def _keys(self, settings: Mapping[str, Any]) -> list[bytes]:
        """The keys whose owners match both identities, the one that was loaded last first."""
        ends = {settings["local"]["id"], settings["remote"]["id"]}
        return [body["data"] for body in reversed(self.shared.values()) if ends <= set(body["owners"])]

    def _terminate(self, body: Mapping[str, Any]) -> None:
        doomed = [
            sa for sa in self.sas if sa.connection == body.get("ike") or str(sa.number) == body.get("ike-id")
        ]
        children = [
            (sa, child)
            for sa in self.sas
            for child in sa.children
            if str(child.number) == body.get("child-id")
        ]
        if not doomed and not children:
            raise self._rejected("terminate", "no matching SAs to terminate found")
        for sa in doomed:
            self._network.forget(sa)
        for sa, child in children:
            sa.children.remove(child)
            self.goes(sa, [child])
            if sa.peer is not None and child.peer in sa.peer.children:
                sa.peer.children.remove(child.peer)

    def _check(self, command: str) -> None:
        if not self.up:
            raise RouterUnreachable("charon is down", router=self.name, operation=command)

    def _rejected(self, command: str, message: str) -> CommandRejected:
        return CommandRejected(message, router=self.name, operation=command)


def _fingerprint(settings: Mapping[str, Any]) -> str:
    return repr([settings.get(key) for key in _NEGOTIATED])


def _common(ours: list[str], theirs: list[str]) -> list[str]:
    """What both lists of networks cover (RFC 7296, section 2.9)."""
    smaller = [
        one if IPNetwork(one) in IPNetwork(other) else other
        for one in ours
        for other in theirs
        if IPNetwork(one) in IPNetwork(other) or IPNetwork(other) in IPNetwork(one)
    ]
    return list(dict.fromkeys(smaller))


def _compatible(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    return ours["version"] == theirs["version"] and bool(set(ours["proposals"]) & set(theirs["proposals"]))


def _proven(settings: Mapping[str, Any], ours: list[bytes], theirs: list[bytes]) -> bool:
    """Each end proves itself by its last key. With IKEv2 the other tries all of its own
    (psk_authenticator.c), with IKEv1 both have to have the same one."""
    if not ours or not theirs:
        return False
    if settings["version"] == "1":
        return ours[0] == theirs[0]
    return ours[0] in theirs and theirs[0] in ours


def _mirrored(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    local, remote = ours["local"]["id"], ours["remote"]["id"]
    return (theirs["local"]["id"], theirs["remote"]["id"]) == (remote, local)


def _reported(settings: Mapping[str, Any], *, proposals: bool = False) -> Message:
    """What list-conns reports of a connection: no start action, no hard lifetimes; proposals where asked."""
    return {
        **({"proposals": _transforms(settings["proposals"])} if proposals else {}),
        "local_addrs": settings["local_addrs"],
        "remote_addrs": settings["remote_addrs"],
        "version": f"IKEv{settings['version']}",
        "reauth_time": "0",
        "rekey_time": settings["rekey_time"].removesuffix("s"),
        "unique": f"UNIQUE_{settings['unique'].upper()}",
        **({"dpd_delay": delay} if (delay := settings["dpd_delay"].removesuffix("s")) != "0" else {}),
        "local-1": {"id": printed_id(settings["local"]["id"]), "class": "pre-shared key"},
        "remote-1": {"id": printed_id(settings["remote"]["id"]), "class": "pre-shared key"},
        "children": {
            name: {
                **({"esp_proposals": _transforms(child["esp_proposals"])} if proposals else {}),
                "mode": child["mode"].upper(),
                "rekey_time": child["rekey_time"].removesuffix("s"),
                "dpd_action": {"restart": "start", "clear": "none"}.get(
                    child["dpd_action"], child["dpd_action"]
                ),
                "local-ts": child["local_ts"],
                "remote-ts": child["remote_ts"],
            }
            for name, child in settings["children"].items()
        },
    }


def _transforms(proposals: list[str]) -> Message:
    """`aes256-sha256-modp2048` as list-conns takes it apart."""
    listed = {}
    for number, proposal in enumerate(proposals):
        encryption, integrity, *groups = proposal.split("-")
        integ, prf = INTEGRITY[integrity]
        cipher, size = CIPHERS.get(encryption, ("AES_CBC", "256"))
        listed[str(number)] = {
            "encr": [f"{cipher}_{size}".rstrip("_")],
            "integ": [integ],
            "prf": [prf],
            "ke": [group.upper().replace("MODP", "MODP_").replace("ECP", "ECP_") for group in groups],
        }
    return listed
