"""Which router has which address, as a truth table: the codes that follow."""

from __future__ import annotations

from reconciler.diagnosis import Evidence
from reconciler.model.router_config import InterfaceAddress
from tests.unit.diagnosis.seen import (
    FABRIC,
    FAR,
    LOST,
    NEAR,
    SILENCE,
    TRANSLATED,
    TWICE,
    Row,
    alone,
    drifted,
    each_of,
    failures,
    seen,
)

VIP = FABRIC.tunnels[FAR].vip.address
ETHERNET = {"ethernet": frozenset({"02:00:00:00:00:01", "02:00:00:00:00:02"})}
BOTH_ADDRESSES = frozenset(
    InterfaceAddress("eth0", f"{FABRIC.tunnels[name].vip.address}/24") for name in (NEAR, FAR)
)

TABLE: list[Row] = [
    (
        "the peer address is the router's own",
        seen(down=False, flow=LOST, near_end=drifted(NEAR, addresses=BOTH_ADDRESSES)),
        {("peer-is-local", NEAR)},
    ),
    (
        "the same in a managed pair, where it is a duplicate as well",
        seen(near_end=drifted(NEAR, addresses=BOTH_ADDRESSES), other_end={"holders": TWICE}),
        {("peer-is-local", NEAR)},
    ),
    (
        "another machine answers for the VIP",
        seen(down=False, flow=LOST, near_end={"neighbors": {VIP: "02:00:00:00:00:09"}}, other_end=ETHERNET),
        {("duplicate-address", FAR)},
    ),
    (
        "another machine answers for the VIP, and the tunnel is down",
        seen(near=SILENCE, near_end={"neighbors": {VIP: "02:00:00:00:00:09"}}, other_end=ETHERNET),
        {("duplicate-address", FAR)},
    ),
    (
        "a proxy answers for the VIP, and passes packets on",
        seen(down=False, near_end={"neighbors": {VIP: "02:00:00:00:00:09"}}, other_end=ETHERNET),
        set(),
    ),
    (
        "the router itself answers for the VIP",
        seen(down=False, flow=LOST, near_end={"neighbors": {VIP: "02:00:00:00:00:02"}}, other_end=ETHERNET),
        {("esp-blocked", FAR)},
    ),
    (
        "addresses are translated on the path",
        seen(near=TRANSLATED[0], far=TRANSLATED[1]),
        {("address-translated", FAR)},
    ),
    (
        "a stranger asks the peer while our packets are lost",
        seen(near=SILENCE, far=TRANSLATED[1]),
        {("ike-blocked", NEAR)},
    ),
    (
        "VIP missing",
        seen(near=SILENCE, other_end=drifted(FAR, addresses=frozenset())),
        {("vip-missing", FAR)},
    ),
    (
        "VIP on another router as well",
        seen(near=SILENCE, other_end={"holders": TWICE}),
        {("duplicate-address", FAR)},
    ),
    (
        "our VIP missing, peer not managed",
        alone(seen(near=SILENCE, near_end=drifted(NEAR, addresses=frozenset()))),
        {("vip-missing", NEAR)},
    ),
]


@each_of(TABLE)
def test_what_follows_from_the_evidence(evidence: Evidence, expected: set[tuple[str, str]]) -> None:
    assert failures(evidence) == expected
