"""A tunnel of IKEv1 waits where a router has no IKEv1, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.fabric import Tunnel
from reconciler.policy import Override
from tests.converged import assert_converged
from tests.fabrics import number_of
from tests.unit.policy.judged import apply_allowed, each, judged, renewing, site_of, waiting, without


def of_ikev1(tunnel: Tunnel) -> Tunnel:
    return replace(tunnel, ike=replace(tunnel.ike, version=1)) if number_of(tunnel.name) == 1 else tunnel


@pytest.mark.parametrize("version", ["6.1.0", "6.1.0rc1", "6.10.2", "7.0"])
def test_it_waits_at_both_ends_and_the_rest_goes_on(version: str) -> None:
    site = site_of(3)
    site.connect("tokyo").vici.version = version  # type: ignore[attr-defined]  # of the router in memory
    wanted = each(renewing(site.fabric, {2}), of_ikev1)
    before, found = judged(site, wanted)
    assert waiting(found) == {1}
    [deferral] = found.deferrals
    assert f"tokyo (strongSwan {version})" in deferral.reason
    assert "paris" not in deferral.reason
    assert_converged(apply_allowed(site, before, found))
    _, forced = judged(site, wanted, Override.IKEV1)
    assert not forced.deferrals
    assert [item.override for item in forced.overridden] == [Override.IKEV1]


@pytest.mark.parametrize("version", ["5.9.8", "6.0.9", "nonsense", ""])
def test_it_does_not_where_the_release_has_it(version: str) -> None:
    site = site_of(3)
    site.connect("tokyo").vici.version = version  # type: ignore[attr-defined]  # of the router in memory
    assert not judged(site, each(site.fabric, of_ikev1))[1].deferrals


def test_an_sa_of_ikev1_shows_that_a_release_was_built_with_it() -> None:
    site = site_of(3)
    older = each(site.fabric, of_ikev1)
    assert_converged(site.apply(older))
    site.connect("tokyo").vici.version = "6.1.0"  # type: ignore[attr-defined]  # of the router in memory
    assert not judged(site, renewing(older, {1}))[1].deferrals


def test_a_tunnel_of_ikev1_can_be_changed_to_ikev2_or_removed() -> None:
    site = site_of(3)
    older = each(site.fabric, of_ikev1)
    assert_converged(site.apply(older))
    for router in ("paris", "tokyo"):
        vici = site.connect(router).vici
        vici.version, vici.sas = "6.1.0", []  # type: ignore[attr-defined]  # of the router in memory
    assert not judged(site, site.fabric)[1].deferrals
    assert not judged(site, without(older, {1}))[1].deferrals
