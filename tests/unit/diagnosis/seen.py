"""Evidence of two routers between which all is well, and what differs from it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from reconciler.compile.router import compile_router
from reconciler.diagnosis import End, Evidence, diagnose
from reconciler.diagnosis.evidence import Flow, Route
from reconciler.diff import diff_router
from reconciler.facets import boot, files, firewall
from reconciler.facets.connections import decode
from reconciler.facets.files import refusal
from reconciler.facets.firewall import nft_listing
from reconciler.model.fabric import Fabric
from reconciler.model.plan import HeldAddress
from reconciler.model.router_config import ChildSa, IkeSa, InterfaceAddress, LiveFile, Platform, RouterState
from reconciler.model.secret import Secret
from reconciler.model.swanctl import plain
from reconciler.model.way_back import Armed, Arming, WayBack
from tests.fabrics import two_routers
from tests.memory.charon import _reported

FABRIC = two_routers()
NEAR, FAR = "paris-tokyo", "tokyo-paris"
WHOLE = Flow(sent=3, received=3, this_out=3, other_in=3, other_out=3, this_in=3)
LOOKING = "looking for peer configs matching 203.0.113.12[203.0.113.12]...203.0.113.11[203.0.113.11]"
UP = "IKE_SA tw-paris-tokyo[1] established between 203.0.113.11[203.0.113.11]...203.0.113.12[203.0.113.12]"
SILENCE = (
    "sending packet: from 203.0.113.11[500] to 203.0.113.12[500] (464 bytes)",
    "retransmit 1 of request",
)
IKE = "IKE:AES_CBC_{}/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048"
ESP = "ESP:AES_CBC_{}/HMAC_SHA2_256_128/MODP_{}/NO_EXT_SEQ"


def child(spi_in: str, spi_out: str, local: tuple[str, ...], remote: tuple[str, ...]) -> ChildSa:
    names = ("1", "net", "INSTALLED", spi_in, spi_out, "ESP")
    return ChildSa(*names, False, "aes256-sha256", local, remote, 0, 0, 0, 0, 1)


def end(name: str, fabric: Fabric = FABRIC) -> End:
    """One end as it is when all is well: desired, up, and no more rules than its own."""
    tunnel = fabric.tunnels[name]
    config = compile_router(fabric, tunnel.router, {tunnel.psk: Secret(b"key")}, Secret(b"x"))
    connection = config.connections.get(f"tw-{name}")
    spis = ("aaaaaaaa", "bbbbbbbb") if name == NEAR else ("bbbbbbbb", "aaaaaaaa")
    sa = IkeSa(
        "1",
        f"tw-{name}",
        "2",
        "ESTABLISHED",
        tunnel.vip.address,
        tunnel.local_id.value,
        tunnel.peer_address,
        tunnel.peer_id.value,
        name == NEAR,
        "aes256-sha256-modp2048",
        1,
        (child(*spis, tunnel.local_cidrs, tunnel.peer_cidrs),),
    )
    listed = {} if connection is None else {connection.name: reported(connection.settings)}
    state = RouterState(
        router=tunnel.router,
        version="6.0.1",
        plugins=frozenset({"kernel-libipsec"}),
        connections=listed,
        secret_ids=frozenset() if connection is None else frozenset({connection.secret.id}),
        sas=(sa,),
        files={name: LiveFile(content, 0o600) for name, content in config.files.items()},
        addresses=frozenset({InterfaceAddress(tunnel.vip.interface, f"{tunnel.vip.address}/24")}),
        firewall=nft_listing.decode(listing_of(config.firewall)),
        sysctls={key: max(values) for key, values in config.sysctls.items()},
        owned=boot.as_applied(boot.boot_files(config, Platform(), config.addresses)),
    )
    route = Route("10.1.0.10", "10.2.0.1", "ipsec0")
    return End(tunnel, connection, state, sas=(sa,), routes=(route,), inside={tunnel.local_cidrs[0]: "eth1"})


def reported(settings: Any) -> Any:
    return decode("tw-x", _reported(plain(settings)))


def listing_of(desired: Any) -> str:
    commands = json.loads(firewall.rebuild(desired, {}))["nftables"]
    return json.dumps({"nftables": [c["add"] for c in commands if "add" in c and "table" not in c["add"]]})


HEALTHY = Evidence(end(NEAR), end(FAR), flow=WHOLE)


def seen(
    *,
    near: tuple[str, ...] = (),
    far: tuple[str, ...] = (),
    down: bool = True,
    near_end: dict[str, Any] | None = None,
    other_end: dict[str, Any] | None = None,
    **fields: Any,
) -> Evidence:
    """The healthy evidence with something else in it; a tunnel that is down has no SAs."""
    changed: dict[str, Any] = {"said": near, **({"sas": ()} if down else {}), **(near_end or {})}
    other: dict[str, Any] = {"said": far, **({"sas": ()} if down else {}), **(other_end or {})}
    if down:
        fields = {"flow": None, "failure": "establishing CHILD_SA 'net' failed", **fields}
    return replace(
        HEALTHY,
        this_end=replace(HEALTHY.this_end, **changed),
        other_end=replace(HEALTHY.other_end or HEALTHY.this_end, **other),
        **fields,
    )


def changed(side: str, value: Any) -> dict[str, Any]:
    return {side: value}


TWICE = tuple(
    HeldAddress(router, InterfaceAddress("eth0", f"{FABRIC.tunnels[FAR].vip.address}/24"), owner)
    for router, owner in (("paris", ""), ("tokyo", "Vip/tokyo-vip"))
)
"""The local address of the other end, which both routers have."""


def _armed() -> RouterState:
    whole = end(NEAR).state
    assert whole is not None
    arming = Arming("0" * 16, "you@there", "d" * 64, "", 300)
    return replace(whole, way_back=WayBack(armed=Armed(whole.router, arming, 200)))


ARMED = _armed()
"""The near end's router, while a change there is not confirmed."""


def refused(words: str, **changed: Any) -> dict[str, Any]:
    """The near end with a file whose change is under way: what was before has other settings (`changed`, of
    the connection or of its child), and the change to what is desired was refused with these words."""
    whole = end(NEAR)
    assert whole.connection is not None
    assert whole.state is not None
    former: Any = dict(whole.connection.settings)
    key = changed.pop("key", None)
    for name, value in changed.items():
        if name in former:
            former[name] = {**former[name], "id": value} if name in {"local", "remote"} else value
        else:
            former["children"] = {"net": {**former["children"]["net"], name: value}}
    secret = replace(whole.connection.secret, id=key or whole.connection.secret.id)
    before = replace(whole.connection, settings=former, secret=secret)
    marked = Secret(files.render(before).reveal() + refusal.PENDING)
    noted = refusal.with_refusal(marked, files.said(whole.connection), words)
    assert noted is not None
    written = {files.file_name(whole.connection.name): LiveFile(noted, 0o600)}
    return drifted(NEAR, files=written)


Row: TypeAlias = tuple[str, Evidence, set[tuple[str, str]]]
"""A name, evidence, and the failures that follow from it: the code and the tunnel of each."""


def each_of(table: list[Row]) -> pytest.MarkDecorator:
    """A test of each row, with its `evidence` and what is `expected` of it."""
    rows = [pytest.param(evidence, expected, id=name) for name, evidence, expected in table]
    return pytest.mark.parametrize(("evidence", "expected"), rows)


def failures(evidence: Evidence) -> set[tuple[str, str]]:
    """The code and the tunnel of each failure that follows from the evidence."""
    return {(item.code, item.tunnel) for item in diagnose(evidence) if item.failure}


def alone(evidence: Evidence) -> Evidence:
    return replace(evidence, other_end=None)


def offers(kind: str, received: tuple[Any, ...], configured: tuple[Any, ...]) -> tuple[str, str]:
    return (
        f"received proposals: {kind.format(*received)}",
        f"configured proposals: {kind.format(*configured)}",
    )


def drifted(name: str, **fields: Any) -> dict[str, Any]:
    """An end whose router holds something else, with the drift that follows."""
    whole = end(name)
    assert whole.state is not None
    state = replace(whole.state, **fields)
    config = compile_router(FABRIC, whole.tunnel.router, {whole.tunnel.psk: Secret(b"key")}, Secret(b"x"))
    return {"state": state, "drift": diff_router(config, state)}


def nft(chain: dict[str, Any], *expressions: dict[str, Any]) -> dict[str, Any]:
    here = {"family": "inet", "table": "foreign"}
    base = {"chain": {**here, "name": "c", "prio": 0, "policy": "accept", "type": "filter", **chain}}
    return {"ruleset": (base, {"rule": {**here, "chain": "c", "handle": 1, "expr": list(expressions)}})}


PORT = {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 500}}
PROTOCOL = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": 50}}
DROP, MASQUERADE = {"drop": None}, {"masquerade": None}
LOST = Flow(sent=3, received=0, this_out=3, other_in=0, other_out=0, this_in=0)
TRANSLATED = (
    (
        "sending packet: from 203.0.113.11[500] to 203.0.113.12[500] (464 bytes)",
        "received packet: from 203.0.113.12[500] to 203.0.113.11[500] (36 bytes)",
        "received NO_PROPOSAL_CHOSEN notify error",
    ),
    (
        "received packet: from 203.0.113.99[500] to 203.0.113.12[500] (464 bytes)",
        "no IKE config found for 203.0.113.12...203.0.113.99, sending NO_PROPOSAL_CHOSEN",
    ),
)
