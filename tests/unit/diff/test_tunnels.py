"""The resource of a tunnel end: its reason, its action, and its steps in the order of the phases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import diff_router
from reconciler.facets import files
from reconciler.model.operation import Establish, Scope
from reconciler.model.plan import Action, Disruption, Phase
from reconciler.model.router_config import RouterState
from tests.contract.sites import rename_tunnels
from tests.fabrics import many_tunnels, two_routers
from tests.unit.diff.ends import FILE, NAME, compiled, desired, fields, held, steps, tunnel_of, with_file

PATH = f"/etc/swanctl/conf.d/{FILE}"


def emptied(state: RouterState) -> RouterState:
    """The router without anything of the tunnel."""
    return replace(state, connections={}, files={}, sas=(), secret_ids=frozenset())


def scopes(change: object) -> list[Scope]:
    """What has to come up in the switches of a change."""
    return [s.operation.scope for s in change.steps if isinstance(s.operation, Establish)]  # type: ignore[attr-defined]


def test_a_router_that_is_as_desired_has_no_differences() -> None:
    assert diff_router(desired(), held()) == ()


def test_a_new_one_is_loaded_brought_up_and_written_in_this_order() -> None:
    change = tunnel_of(desired(), emptied(held()))
    [connection] = desired().connections.values()
    assert (change.action, change.reason) == (Action.CREATE, "not on the router")
    assert steps(change) == [
        (Phase.SECRETS, f"load key {connection.secret.id}"),
        (Phase.CONNECTIONS, f"load connection {NAME}"),
        (Phase.SWITCH, f"bring up {NAME}"),
        (Phase.COMMIT, f"write {PATH}"),
    ]
    assert scopes(change) == [Scope.FIRST]
    assert change.disruption is Disruption.NONE, "nothing runs that could be disturbed"


def test_a_changed_one_marks_its_file_before_and_writes_it_after_the_switch() -> None:
    change = tunnel_of(desired(ike__dh_group=15), held())
    assert (change.action, change.reason) == (Action.UPDATE, "the configuration differs")
    assert [phase for phase, _ in steps(change)] == [
        Phase.MARK,
        Phase.CONNECTIONS,
        Phase.SWITCH,
        Phase.COMMIT,
    ]


def test_a_file_that_is_marked_already_is_not_marked_again() -> None:
    mark = files.WrittenFile(held().files[FILE]).marked()
    assert mark is not None
    cut = with_file(held(), lambda _: mark.reveal())
    change = tunnel_of(desired(ike__dh_group=15), cut)
    assert Phase.MARK not in {phase for phase, _ in steps(change)}


@pytest.mark.parametrize(
    ("changed", "scope", "disruption"),
    [
        ({"esp__integrity": "sha512"}, Scope.CHILD, Disruption.MAKE_BEFORE_BREAK),
        ({"esp__pfs_group": 15}, Scope.CHILD, Disruption.MAKE_BEFORE_BREAK),
        ({"esp__pfs_group": 18}, Scope.IKE, Disruption.MAKE_BEFORE_BREAK),
        ({"ike__lifetime": 4000}, Scope.IKE, Disruption.MAKE_BEFORE_BREAK),
        ({"peer_address": "203.0.113.77"}, Scope.IKE, Disruption.MAKE_BEFORE_BREAK),
        ({"peer_address": "203.0.113.77", "other_end": None}, Scope.IKE, Disruption.INTERRUPTS),
    ],
    ids=["child", "quick group", "slow group", "ike", "endpoint", "endpoint of an unmanaged peer"],
)
def test_the_switch_reaches_as_far_as_the_change(
    changed: dict[str, Any], scope: Scope, disruption: Disruption
) -> None:
    config = replace(desired(**changed), firewall=desired().firewall)
    change = tunnel_of(config, held())
    assert scopes(change) == [scope]
    assert change.disruption is disruption


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"keyingtries = 0": "keyingtries = 1", "unique = replace": "unique = no"}, "settings that"),
        ({"close_action = none": "close_action = trap"}, "settings that"),
        ({"keyingtries = 0": "keyingtries = 1", "= aes256": "= aes128"}, "the configuration"),
    ],
    ids=["of the connection", "of a child", "one of Git's too"],
)
def test_the_reason_says_when_only_an_upgrade_is_behind_a_change(
    written: dict[str, str], reason: str
) -> None:
    def edit(content: bytes) -> bytes:
        text = content.decode()
        for now, before in written.items():
            assert now in text
            text = text.replace(now, before, 1)
        return text.encode()

    change = tunnel_of(desired(), with_file(held(), edit))
    assert change.reason.startswith(reason)
    assert scopes(change) != []


def test_one_that_was_only_unloaded_is_loaded_under_the_sas_that_run() -> None:
    change = tunnel_of(desired(), replace(held(), connections={}))
    assert change.reason == "the connection is not loaded in charon"
    assert scopes(change) == []
    # With another file it is not known what they were set up by.
    edited = with_file(replace(held(), connections={}), lambda content: b"#\n" + content)
    assert scopes(tunnel_of(desired(), edited)) == [Scope.IKE]


def test_one_that_is_down_and_as_desired_is_left_to_its_traffic() -> None:
    """`trap` brings it up with the first packet."""
    assert diff_router(desired(), replace(held(), sas=())) == ()


def test_a_renamed_one_takes_over_and_the_former_goes_in_the_end() -> None:
    config = compiled(rename_tunnels(two_routers(), {"paris-tokyo": "anew"}))
    change = tunnel_of(config, held())
    old = next(iter(held().secret_ids))
    assert change.reason == "renamed from paris-tokyo"
    assert fields(change)["name"] == (NAME, "tw-anew")
    assert steps(change)[2:] == [
        (Phase.SWITCH, "bring up a second IKE_SA of tw-anew, then retire the first"),
        (Phase.COMMIT, "write /etc/swanctl/conf.d/tw-anew.conf"),
        (Phase.RETIRE, f"remove {PATH}"),
        # Of two connections for one peer the answering end takes the older.
        (Phase.CONNECTIONS, f"unload connection {NAME}"),
        (Phase.RETIRE, f"unload key {old}"),
    ]


def test_an_adopted_one_is_ended_here_since_it_may_set_itself_up_again() -> None:
    config = desired(adopts="office")
    state = held()
    foreign = tuple(replace(sa, connection="office") for sa in state.sas)
    found = replace(emptied(state), connections={"office": state.connections[NAME]}, sas=foreign)
    change = tunnel_of(config, found)
    assert change.reason == "takes over the connection office"
    assert (Phase.RETIRE, "terminate the SAs of office") in steps(change)
    assert (Phase.CONNECTIONS, "unload connection office") in steps(change)


def test_tunnels_are_compared_each_by_itself_in_the_order_of_their_names() -> None:
    config, state = compiled(many_tunnels(3)), held()
    everything = compiled(many_tunnels(3))
    found = diff_router(config, replace(state, addresses=frozenset(everything.addresses), files={}, sas=()))
    assert [c.resource.name for c in found if c.action is Action.CREATE and c.resource.kind == "tunnel"] == [
        "paris-000",
        "paris-001",
        "paris-002",
    ]
