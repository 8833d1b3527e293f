"""Names that a person gives, and what of a plan they stand for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.errors import TunnelwrightError
from reconciler.model.labels import parse_labels
from reconciler.model.plan import Action, Plan, Resource, ResourceChange, ResourceKind
from reconciler.plan.targets import (
    check_reconnect,
    check_targets,
    find_tunnel,
    named,
    routers_of,
    targeting,
)
from tests.contract.sites import change_tunnels
from tests.fabrics import many_tunnels

FABRIC = many_tunnels(2)
RESOURCES = [
    Resource(router, kind, name)
    for router in ("paris", "tokyo")
    for kind, name in (
        (ResourceKind.FIREWALL, "inet tunnelwright"),
        (ResourceKind.TUNNEL, f"{router}-000"),
        (ResourceKind.TUNNEL, f"{router}-001"),
        (ResourceKind.TUNNEL, f"{router}-gone"),
    )
]
EVERYTHING = set(map(str, RESOURCES))
ALL_OF_PARIS = {name for name in EVERYTHING if name.startswith("paris/")}
BOTH = {"paris", "tokyo"}
TABLES = {"paris/firewall/inet tunnelwright", "tokyo/firewall/inet tunnelwright"}


def selected(targets: tuple[str, ...] = (), excluded: tuple[str, ...] = ()) -> set[str]:
    """The resources that are in the plan."""
    chosen = targeting(FABRIC, targets, excluded)
    changes = [ResourceChange(resource, Action.UPDATE, "", (), ()) for resource in RESOURCES]
    return {str(change.resource) for change in changes if chosen(change)}


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        ((), EVERYTHING),
        (("paris",), ALL_OF_PARIS),
        (("paris-000",), {"paris/tunnel/paris-000", "tokyo/tunnel/tokyo-000", *TABLES}),
        (("tokyo-000",), {"paris/tunnel/paris-000", "tokyo/tunnel/tokyo-000", *TABLES}),
        (("paris/firewall/inet tunnelwright",), {"paris/firewall/inet tunnelwright"}),
        # Git has it no more, so it has no other end, and no router whose table goes with it.
        (("paris-gone",), {"paris/tunnel/paris-gone"}),
    ],
    ids=["none", "router", "tunnel", "other end", "resource", "gone"],
)
def test_a_tunnel_means_both_of_its_ends_and_what_their_routers_need(
    targets: tuple[str, ...], found: set[str]
) -> None:
    assert selected(targets) == found


def test_what_is_excluded_is_out_whatever_else_is_named() -> None:
    assert selected(excluded=("tokyo-001",)) == EVERYTHING - {
        "paris/tunnel/paris-001",
        "tokyo/tunnel/tokyo-001",
    }
    assert selected(("paris",), ("paris-000",)) == ALL_OF_PARIS - {"paris/tunnel/paris-000"}


def test_a_name_of_nothing_is_refused_with_what_a_name_may_be() -> None:
    plan = Plan((ResourceChange(RESOURCES[3], Action.DELETE, "", (), ()),), withheld={"waiting": ""})
    for known in ("paris", "tokyo-001", "paris-gone", "waiting", "paris/vip/203.0.113.30"):
        check_targets(FABRIC, plan, (known,))
    with pytest.raises(
        TunnelwrightError, match="no router, tunnel or resource is called rome, rome/vip/1"
    ) as raised:
        check_targets(FABRIC, plan, ("paris", "rome", "rome/vip/1"))
    assert "router/kind/name" in raised.value.hint


def test_a_tunnel_that_is_none_is_refused_with_the_one_that_may_be_meant() -> None:
    assert find_tunnel(FABRIC, "paris-000") is FABRIC.tunnels["paris-000"]
    with pytest.raises(TunnelwrightError, match="no tunnel is called paris-00") as raised:
        find_tunnel(FABRIC, "paris-00")
    assert raised.value.hint in {"did you mean 'paris-000'?", "did you mean 'paris-001'?"}
    with pytest.raises(TunnelwrightError) as raised:
        find_tunnel(FABRIC, "zzz")
    assert raised.value.hint == "the tunnels are paris-000, paris-001, tokyo-000, tokyo-001"


def test_a_disabled_tunnel_cannot_be_reconnected() -> None:
    check_reconnect(FABRIC, ["paris-000", "tokyo-001"])
    with pytest.raises(TunnelwrightError, match="'paris-000' is disabled in Git"):
        check_reconnect(change_tunnels(FABRIC, enabled=False), ["paris-000"])


@pytest.mark.parametrize(
    ("targets", "excluded", "found"),
    [
        ((), (), BOTH),
        (("paris",), (), {"paris"}),
        (("paris-000",), (), BOTH),
        (("paris/sysctl/forwarding",), (), {"paris"}),
        (("paris/tunnel/gone",), (), {"paris"}),
        (("forwarding",), (), BOTH),
        (("gone",), (), BOTH),
        (("paris", "tokyo/sysctl/forwarding"), (), BOTH),
        ((), ("paris",), {"tokyo"}),
        (("paris-000",), ("tokyo",), {"paris"}),
        ((), ("paris-000",), BOTH),
    ],
)
def test_a_name_is_looked_for_where_it_may_be(
    targets: tuple[str, ...], excluded: tuple[str, ...], found: set[str]
) -> None:
    assert routers_of(many_tunnels(1), targets, excluded) == found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("site=paris", ("paris", "paris-000", "paris-001")),
        ("tier", ("paris-000", "tokyo-000")),
        ("site=paris,tier!=lab", ("paris", "paris-001")),
    ],
)
def test_a_label_selector_stands_for_the_routers_and_tunnels_that_it_selects(
    text: str, names: tuple[str, ...]
) -> None:
    site, lab = {"site": "paris"}, {"tier": "lab"}
    labels = {"paris-000": site | lab, "paris-001": site, "tokyo-000": lab}
    fabric = replace(
        FABRIC,
        routers={**FABRIC.routers, "paris": replace(FABRIC.routers["paris"], labels=site)},
        tunnels={name: replace(end, labels=labels.get(name, {})) for name, end in FABRIC.tunnels.items()},
    )
    assert sorted(named(fabric, ["paris", parse_labels(text)])) == sorted({"paris", *names})
    for word, hint in (("sitee=paris", "did you mean 'site'?"), ("site=rome", "the labels are: site=paris")):
        with pytest.raises(TunnelwrightError, match="labels that match") as raised:
            named(fabric, [parse_labels(word)])
        assert hint in raised.value.hint
