"""A peer that has agreed to less than is desired is asked again, beside what runs, until it agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.facets.sas.agreement import carrying
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Status
from reconciler.model.plan import Disruption
from reconciler.model.router_config import ChildSa
from reconciler.model.swanctl import plain
from reconciler.observe.state import read_sas
from tests.contract.sites import CONNECTION, MEMORY_AND_CHARONS, Site
from tests.contract.test_rest import ENDS
from tests.converged import assert_converged
from tests.sas import bring_up, take_down

HERE, THERE, MORE = "10.1.0.0/24", "10.2.0.0/24", "10.9.0.0/24"
ASK = f"ask the peer of {CONNECTION} for the selectors that it has not agreed to"


def of_paris(fabric: Fabric, **fields: Any) -> Fabric:
    """A fabric that has paris alone: in it tokyo is an unmanaged peer."""
    tunnel = replace(fabric.tunnels["paris-tokyo"], other_end=None, unmanaged=True, **fields)
    return replace(
        fabric,
        routers={"paris": fabric.routers["paris"]},
        vips={name: vip for name, vip in fabric.vips.items() if vip.router == "paris"},
        tunnels={tunnel.name: tunnel},
    )


def configure_tokyo(site: Site, **selectors: tuple[str, ...]) -> None:
    """What the administrator of tokyo loads: its own networks, and those of its peer."""
    connection = site.preview(site.fabric).desired["tokyo"].connections[ENDS["tokyo"]]
    settings: Any = plain(connection.settings)
    settings["children"]["net"] |= {name: list(networks) for name, networks in selectors.items()}
    site.connect("tokyo").vici.request("load-conn", {connection.name: settings})


def children(site: Site, router: str = "paris") -> tuple[ChildSa, ...]:
    """The CHILD_SAs that carry traffic at one end."""
    return carrying(read_sas(site.connect(router).vici, ENDS[router]))


def agreed(site: Site) -> Mapping[str, set[tuple[tuple[str, ...], tuple[str, ...]]]]:
    """What the CHILD_SAs at both ends carry, as paris sees it: local and remote selectors, in order."""
    pairs = {
        "paris": [(c.local_ts, c.remote_ts) for c in children(site, "paris")],
        "tokyo": [(c.remote_ts, c.local_ts) for c in children(site, "tokyo")],
    }
    return {
        router: {(tuple(sorted(one)), tuple(sorted(other))) for one, other in found}
        for router, found in pairs.items()
    }


def both(*pairs: tuple[tuple[str, ...], tuple[str, ...]]) -> Mapping[str, set[object]]:
    return {"paris": set(pairs), "tokyo": set(pairs)}


def numbers(site: Site) -> set[str]:
    return {child.id for child in children(site)}


@MEMORY_AND_CHARONS
def test_a_network_that_the_peer_lacks_is_asked_for_in_each_run_until_it_agrees(site: Site) -> None:
    site.apply()
    wanted = of_paris(site.fabric, local_cidrs=(HERE, MORE))
    first = site.apply(wanted)
    [failed] = first.undone
    assert (failed.status, failed.step.summary) == (Status.FAILED, ASK)
    assert f"the peer has agreed to {HERE} === {THERE}, not to {MORE} === {THERE}" in failed.message
    # The drift is reported, with what the peer has agreed to, and what an attempt costs.
    plan = site.preview(wanted).plan
    [change] = [item for item in plan.changes if item.resource.kind == "tunnel"]
    assert change.reason == "the peer has narrowed the traffic selectors"
    [field] = change.changes
    assert (field.path, field.before, field.after) == ("sa.children.net.local_ts", (HERE,), (HERE, MORE))
    assert [(step.summary, step.disruption) for step in plan.steps] == [(ASK, Disruption.MAKE_BEFORE_BREAK)]
    # A peer that does not agree costs one refused exchange: what runs goes on, and nothing piles up.
    before = numbers(site)
    for _ in range(3):
        again = site.apply(wanted)
        assert [outcome.status for outcome in again.outcomes] == [Status.FAILED]
        assert numbers(site) == before
        assert agreed(site) == both(((HERE,), (THERE,)))
    vici = site.connect("paris").vici
    assert [name for event in vici.stream("list-conns", "list-conn") for name in event] == [CONNECTION]
    # The peer has caught up.
    configure_tokyo(site, remote_ts=(HERE, MORE))
    assert_converged(site.apply(wanted))
    assert agreed(site) == both(((HERE, MORE), (THERE,)))
    assert len(children(site)) == 1 and not numbers(site) & before
    assert site.preview(wanted).plan.empty


@MEMORY_AND_CHARONS
def test_a_network_that_is_taken_out_goes_at_once_whatever_the_peer_has(site: Site) -> None:
    site.apply()
    configure_tokyo(site, remote_ts=(HERE, MORE))
    wide = of_paris(site.fabric, local_cidrs=(HERE, MORE))
    assert_converged(site.apply(wide))
    assert agreed(site) == both(((HERE, MORE), (THERE,)))
    narrow = of_paris(site.fabric)
    assert_converged(site.apply(narrow))
    assert agreed(site) == both(((HERE,), (THERE,)))
    assert_converged(site.apply(wide))
    assert agreed(site) == both(((HERE, MORE), (THERE,)))


def renegotiate(site: Site) -> None:
    """Take the tunnel down and up without an apply."""
    vici = site.connect("paris").vici
    take_down(vici, CONNECTION)
    bring_up(vici, CONNECTION, "net")


@MEMORY_AND_CHARONS
def test_a_part_of_a_network_is_less_and_no_other_configuration(site: Site) -> None:
    site.apply()
    part, rest = "10.1.0.0/25", "10.1.0.128/25"
    configure_tokyo(site, remote_ts=(part,))
    wanted = of_paris(site.fabric)
    renegotiate(site)
    assert agreed(site) == both(((part,), (THERE,)))
    [outcome] = site.apply(wanted).undone
    assert f"the peer has agreed to {part} === {THERE}, not to {rest} === {THERE}" in outcome.message
    configure_tokyo(site)
    assert_converged(site.apply(wanted))
    assert agreed(site) == both(((HERE,), (THERE,)))


@MEMORY_AND_CHARONS
def test_both_ends_of_a_managed_pair_are_put_together_at_once(site: Site) -> None:
    """A packet that negotiated when one end had its new configuration and the other had not."""
    site.apply()
    configure_tokyo(site, remote_ts=("10.1.0.0/25",))
    renegotiate(site)
    configure_tokyo(site)
    assert {change.reason for change in site.preview().plan.changes} == {
        "the peer has narrowed the traffic selectors"
    }
    assert_converged(site.apply())
    assert agreed(site) == both(((HERE,), (THERE,)))
