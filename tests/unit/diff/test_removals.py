"""What carries our prefix and is not desired any more is removed; what does not is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import diff_router
from reconciler.model.operation import Terminate
from reconciler.model.plan import Action, Disruption, Phase
from reconciler.model.router_config import RouterConfig, RouterState
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers
from tests.unit.diff.ends import FILE, NAME, compiled, desired, held, only_sa, steps, tunnel_of


def nothing() -> RouterConfig:
    """A router without tunnels, whose other facets stay."""
    bare = compiled(replace(two_routers(), tunnels={}))
    whole = desired()
    return replace(
        bare, firewall=whole.firewall, addresses=whole.addresses, sysctls=whole.sysctls, guards=whole.guards
    )


def only(**kept: Any) -> RouterState:
    """The router with a part of what it holds of the tunnel."""
    bare = replace(held(), connections={}, files={}, sas=(), secret_ids=frozenset())
    return replace(bare, **kept)


def test_the_file_goes_first_and_the_key_last() -> None:
    change = tunnel_of(nothing(), held())
    [key] = held().secret_ids
    assert (change.action, change.reason) == (Action.DELETE, "not in Git")
    assert change.disruption is Disruption.DESTROYS
    assert steps(change) == [
        (Phase.RETIRE, f"remove /etc/swanctl/conf.d/{FILE}"),
        (Phase.RETIRE, f"unload connection {NAME}"),
        (Phase.RETIRE, f"terminate the SAs of {NAME}"),
        (Phase.RETIRE, f"unload key {key}"),
    ]


def test_a_disabled_one_is_distinguished_from_one_that_git_does_not_have() -> None:
    config = compiled(change_tunnels(two_routers(), enabled=False))
    whole = desired()
    config = replace(config, firewall=whole.firewall, addresses=whole.addresses, sysctls=whole.sysctls)
    assert tunnel_of(config, held()).reason == "disabled in Git"


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (only(connections=held().connections), f"unload connection {NAME}"),
        (only(files=held().files), f"remove /etc/swanctl/conf.d/{FILE}"),
        (only(sas=held().sas), f"terminate the SAs of {NAME}"),
    ],
    ids=["connection", "file", "sas"],
)
def test_each_part_that_is_left_is_found_by_itself(state: RouterState, step: str) -> None:
    assert [summary for _, summary in steps(tunnel_of(nothing(), state))] == [step]


def test_a_key_without_anything_else_is_a_resource_of_its_own() -> None:
    [key] = held().secret_ids
    [change] = diff_router(nothing(), only(secret_ids=held().secret_ids))
    assert (change.resource.kind, change.resource.name, change.reason) == ("key", key, "no tunnel uses it")
    assert steps(change) == [(Phase.RETIRE, f"unload key {key}")]


def test_what_others_have_made_stays() -> None:
    foreign = replace(only_sa(held()), connection="office")
    state = only(
        connections={"office": held().connections[NAME]},
        secret_ids=frozenset({"ike-office", "office"}),
        files={"office.conf": held().files[FILE], "tw-notes.txt": held().files[FILE]},
    )
    assert diff_router(nothing(), state) == ()
    # The reader leaves out SAs of others; one that it gives is adopted, or ours.
    [change] = diff_router(nothing(), replace(state, sas=(foreign,)))
    assert [step.operation for step in change.steps][-1] == Terminate("office")


@pytest.mark.parametrize("state", ["DELETING", "DESTROYING"])
def test_an_sa_that_is_about_to_end_is_not_ended(state: str) -> None:
    sa = replace(only_sa(held()), state=state)
    assert diff_router(nothing(), only(sas=(sa,))) == ()
