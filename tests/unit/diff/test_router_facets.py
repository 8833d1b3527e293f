"""What a router holds as a whole: VIPs, kernel settings, the firewall table."""

from __future__ import annotations

import json
from dataclasses import replace

from reconciler.diff import diff_router
from reconciler.diff.addresses import address_changes
from reconciler.diff.firewall import firewall_changes
from reconciler.diff.sysctls import sysctl_changes
from reconciler.model.operation import AddAddress, ChangeFirewall, RecordAddress, SetSysctls, TidyRecord
from reconciler.model.plan import Action, Disruption, Phase, ResourceChange
from reconciler.model.router_config import AddressRecord, Firewall, InterfaceAddress, LiveFirewall
from reconciler.model.swanctl import Change
from tests.fabrics import many_tunnels
from tests.unit.diff.ends import compiled, desired, fields, held, steps

VIP = InterfaceAddress("eth0", "203.0.113.11/24")


def table() -> LiveFirewall:
    """paris' table as it is once applied."""
    found = held().firewall
    assert found is not None
    return found


def firewall_change(wanted: Firewall, there: LiveFirewall | None) -> ResourceChange:
    [change] = firewall_changes(replace(desired(), firewall=wanted), replace(held(), firewall=there))
    return change


def commands(change: ResourceChange) -> list[list[str]]:
    """For each step the commands of its transaction."""
    found = []
    for step in change.steps:
        assert isinstance(step.operation, ChangeFirewall)
        found.append([next(iter(item)) for item in json.loads(step.operation.document)["nftables"]])
    return found


def test_a_vip_that_is_missing_is_added_and_others_are_left_alone() -> None:
    other = InterfaceAddress("eth0", "203.0.113.200/24")
    [change] = address_changes(desired(), replace(held(), addresses=frozenset({other})))
    assert change.action is Action.CREATE
    assert change.changes == (Change("address", None, "203.0.113.11/24 dev eth0", "kernel"),)
    assert [step.operation for step in change.steps] == [
        AddAddress(VIP, "Vip/paris-vip", needed_by=("paris-tokyo",))
    ]
    assert list(address_changes(desired(), replace(held(), addresses=frozenset({other, VIP})))) == []


def test_wrong_kernel_settings_are_one_resource_and_right_ones_none() -> None:
    wrong = {**held().sysctls, "net/ipv4/ip_forward": "0"}
    [change] = sysctl_changes(desired(), replace(held(), sysctls=wrong))
    assert fields(change) == {"net/ipv4/ip_forward": ("0", "1")}
    assert [step.operation for step in change.steps] == [SetSysctls({"net/ipv4/ip_forward": "1"})]
    assert steps(change) == [(Phase.HOST, "set 1 kernel setting")]
    [change] = sysctl_changes(desired(), replace(held(), sysctls={}))
    assert steps(change) == [(Phase.HOST, f"set {len(desired().sysctls)} kernel settings")]
    assert list(sysctl_changes(desired(), held())) == []


def test_a_table_that_is_missing_is_loaded_whole() -> None:
    change = firewall_change(desired().firewall, None)
    assert (change.action, change.reason) == (Action.CREATE, "the table is missing")
    assert [phase for phase, _ in steps(change)] == [Phase.GUARD]
    assert fields(change)["rules"] == (None, "tunnelwright's")


def test_a_table_for_nothing_is_not_made() -> None:
    found = firewall_changes(replace(desired(), firewall=Firewall()), replace(held(), firewall=None))
    assert list(found) == []


def test_new_elements_are_added_before_and_old_ones_deleted_after_the_tunnels() -> None:
    wanted = compiled(many_tunnels(1)).firewall
    change = firewall_change(replace(wanted, mss=desired().firewall.mss), table())
    assert [phase for phase, _ in steps(change)] == [Phase.GUARD, Phase.UNGUARD]
    adding, deleting = commands(change)
    assert set(adding) == {"add"}
    assert set(deleting) == {"delete"}
    [first, last] = change.steps
    assert isinstance(first.operation, ChangeFirewall)
    assert isinstance(last.operation, ChangeFirewall)
    assert first.operation.exposes == (), "what was guarded is guarded still while tunnels are changed"
    assert last.operation.exposes == (("10.1.0.0/24", "10.2.0.0/24"),)
    assert not first.operation.copy, "nothing that guards is replaced"


def test_an_element_in_the_place_of_one_that_overlaps_it_comes_behind_a_copy() -> None:
    """Between the two is a gap, as between two tables."""
    wanted = desired().firewall
    [pair] = wanted.guarded
    wider = replace(wanted, guarded=frozenset({(pair[0], "10.0.0.0/8")}))
    change = firewall_change(wider, table())
    [step] = [step for step in change.steps if step.phase is Phase.GUARD]
    assert isinstance(step.operation, ChangeFirewall)
    assert set(json.loads(step.operation.copy)["nftables"][0]) == {"add"}
    assert '"tunnelwright"' not in step.operation.copy
    assert "10.0.0.0" in step.operation.copy


def test_what_is_in_the_table_in_another_way_has_it_loaded_anew() -> None:
    odd = Change("guarded[1.2.3.4]", "with a timeout", None, "kernel")
    change = firewall_change(desired().firewall, replace(table(), unlike=(odd,)))
    assert change.changes == (odd,)
    assert (change.action, change.reason) == (Action.UPDATE, "the table is not as desired")
    assert steps(change) == [(Phase.GUARD, "load the nftables table inet tunnelwright in one transaction")]


def test_all_of_a_bare_router_is_planned_kernel_first_and_tunnels_last() -> None:
    bare = replace(
        held(),
        connections={},
        files={},
        sas=(),
        secret_ids=frozenset(),
        addresses=frozenset(),
        firewall=None,
        sysctls={},
        owned={},
    )
    kinds = [change.resource.kind for change in diff_router(desired(), bare)]
    assert kinds == ["sysctl", "vip", "firewall", "boot", "tunnel"]


def test_a_vip_of_another_document_is_recorded_for_that_one() -> None:
    record = AddressRecord({VIP: "IPsecTunnel/former"})
    [change] = address_changes(desired(), replace(held(), record=record))
    assert fields(change) == {"document": ("IPsecTunnel/former", "Vip/paris-vip")}
    assert [step.operation for step in change.steps] == [RecordAddress(VIP, "Vip/paris-vip")]
    assert change.disruption is Disruption.NONE


def test_a_vip_that_is_there_and_not_recorded_is_not_ours() -> None:
    assert list(address_changes(desired(), replace(held(), record=AddressRecord()))) == []


def test_a_record_that_is_not_understood_is_written_anew() -> None:
    record = AddressRecord({VIP: "Vip/paris-vip"}, sound=False)
    [change] = address_changes(desired(), replace(held(), record=record))
    assert str(change.resource) == "paris/vip-record/addresses"
    assert [step.operation for step in change.steps] == [TidyRecord({VIP: "Vip/paris-vip"})]
