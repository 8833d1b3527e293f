"""A revision as it would be observed once applied: the same as what routers in memory then report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.compile.as_applied import as_applied
from reconciler.compile.router import compile_router
from reconciler.load import load_tree
from reconciler.model.fabric import Fabric
from reconciler.model.secret import Secret
from reconciler.model.stand_in import stand_in
from reconciler.operations.observed_plan import observed
from reconciler.plan.fleet import make_plan
from reconciler.validate import validate
from tests.contract.sites import change_tunnels, memory_site
from tests.fabrics import many_tunnels

ROOT = Path(__file__).parents[3]


def fabrics() -> list[Fabric]:
    ours, _ = validate(load_tree(ROOT / "desired_state"))
    examples, _ = validate(load_tree(ROOT / "docs" / "reference" / "examples"))
    return [ours, examples, many_tunnels(3), change_tunnels(many_tunnels(3), ike__version=1, protected=True)]


@pytest.mark.parametrize("fabric", fabrics(), ids=["desired_state", "examples", "many", "ikev1"])
def test_an_applied_revision_plans_to_nothing(fabric: Fabric) -> None:
    keys = {tunnel.psk: stand_in(tunnel.psk) for tunnel in fabric.tunnels.values()}
    desired = {name: compile_router(fabric, name, keys, Secret(b"")) for name in fabric.routers}
    assert make_plan(desired, {name: as_applied(config) for name, config in desired.items()}).empty


def test_it_is_what_a_router_reports_after_an_apply(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    applied = site.preview()
    site.apply()
    seen = observed(applied.desired, site.fleet)
    for name, config in applied.desired.items():
        simulated, live = as_applied(config), seen.states[name]
        assert simulated.connections == live.connections
        assert simulated.secret_ids == live.secret_ids
        assert simulated.files == live.files
        assert simulated.firewall == live.firewall
        assert simulated.addresses <= live.addresses
        assert dict(simulated.sysctls).keys() <= dict(live.sysctls).keys()
        [here], [there] = simulated.sas, live.sas
        assert here == replace(there, id=here.id, age=0, initiator=True, spis="", children=here.children)
