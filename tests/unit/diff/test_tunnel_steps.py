"""How one tunnel end differs -> its steps: which there are, in which phase, and what each does to traffic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff.live import Live
from reconciler.diff.tunnel_difference import TunnelDifference
from reconciler.diff.tunnel_end import TunnelEnd
from reconciler.diff.tunnel_steps import switch_step, tunnel_steps
from reconciler.model.operation import (
    CloseSurplus,
    Establish,
    LoadConnection,
    Operation,
    Scope,
    SetAside,
    UnloadSecret,
    Widen,
    WriteFile,
)
from reconciler.model.plan import Disruption, Phase, Step
from reconciler.model.router_config import ForeignFile, RouterState
from reconciler.model.swanctl import Change
from tests.unit.diff.ends import NAME, desired, held

NOTHING: dict[str, Any] = dict.fromkeys(
    ("names", "config", "lost", "stale", "narrowed", "surplus", "key", "file", "aside"), ()
)
LIFETIME = Change("rekey_time", "4000s", "86400s", "vici")
ALGORITHM = Change("proposals", ("aes128",), ("aes256",), "file")
SELECTOR = Change("sa.children.net.local_ts", "10.1.0.0/25", "10.1.0.0/24", "vici")


def found(state: RouterState | None = None, **facets: Any) -> TunnelDifference:
    """A difference of some facets at an end that is otherwise as it is desired."""
    config = desired()
    [connection] = config.connections.values()
    end = TunnelEnd(config, Live(held() if state is None else state), connection)
    return TunnelDifference(end=end, **{**NOTHING, **facets})


def steps(difference: TunnelDifference) -> list[tuple[Phase, type[Operation], Disruption]]:
    """The steps, without their words."""
    return [(step.phase, type(step.operation), step.disruption) for step in tunnel_steps(difference)]


def test_what_does_not_differ_takes_no_step() -> None:
    assert steps(found()) == []


@pytest.mark.parametrize("change", [LIFETIME, ALGORITHM])
def test_a_connection_that_differs_is_marked_loaded_switched_and_written(change: Change) -> None:
    assert steps(found(config=(change,))) == [
        (Phase.MARK, WriteFile, Disruption.NONE),
        (Phase.CONNECTIONS, LoadConnection, Disruption.NONE),
        (Phase.SWITCH, Establish, Disruption.MAKE_BEFORE_BREAK),
        (Phase.COMMIT, WriteFile, Disruption.NONE),
    ]


@pytest.mark.parametrize(
    ("facets", "operation", "disruption"),
    [
        ({"narrowed": (SELECTOR,)}, Widen, Disruption.MAKE_BEFORE_BREAK),
        ({"surplus": (SELECTOR,)}, CloseSurplus, Disruption.NONE),
        ({"narrowed": (SELECTOR,), "surplus": (SELECTOR,)}, Widen, Disruption.MAKE_BEFORE_BREAK),
    ],
)
def test_sas_that_differ_take_one_switch_and_nothing_else(
    facets: dict[str, Any], operation: type[Operation], disruption: Disruption
) -> None:
    assert steps(found(**facets)) == [(Phase.SWITCH, operation, disruption)]


def test_sas_of_another_configuration_are_replaced_and_what_comes_up_is_whole_and_alone() -> None:
    phases = [Phase.MARK, Phase.CONNECTIONS, Phase.SWITCH, Phase.COMMIT]
    for names in (("stale",), ("stale", "narrowed", "surplus")):
        facets: dict[str, Any] = dict.fromkeys(names, (SELECTOR,))
        repair = list(tunnel_steps(found(**facets)))
        assert [step.phase for step in repair] == phases
        assert isinstance(repair[2].operation, Establish)


def test_nothing_that_carries_no_traffic_is_disturbed() -> None:
    down = replace(held(), sas=())
    assert steps(found(down, config=(LIFETIME,)))[2] == (Phase.SWITCH, Establish, Disruption.NONE)


def test_a_connection_that_carries_less_destroys_where_something_runs() -> None:
    lost = (Change("lost 10.1.0.0/24 10.2.0.0/24", "carried", "dropped", "file"),) * 2
    [load] = [step for step in tunnel_steps(found(config=(LIFETIME,), lost=lost)) if _loads(step)]
    assert load.disruption is Disruption.DESTROYS
    assert load.summary == f"load connection {NAME}, without 2 pairs of networks"
    down = replace(held(), sas=())
    [load] = [step for step in tunnel_steps(found(down, config=(LIFETIME,), lost=lost)) if _loads(step)]
    assert (load.disruption, load.summary) == (Disruption.NONE, f"load connection {NAME}")


def _loads(step: Step) -> bool:
    return isinstance(step.operation, LoadConnection)


def test_keys_that_nothing_needs_go_in_the_end() -> None:
    [right] = held().secret_ids
    old = right.rpartition("-")[0] + "-000000000000"
    state = replace(held(), secret_ids=frozenset({right, old}))
    assert list(tunnel_steps(found(state))) == [
        Step(
            "paris", Phase.RETIRE, found().end.group, f"unload key {old}", Disruption.NONE, UnloadSecret(old)
        )
    ]


def test_a_file_is_set_aside_after_its_keys() -> None:
    file = ForeignFile("/etc/swanctl/conf.d/theirs.conf", ("theirs-key", "gone-key"))
    state = replace(held(), secret_ids=held().secret_ids | {"theirs-key"})
    last = list(tunnel_steps(found(state, aside=(file,))))[-2:]
    assert [step.operation for step in last] == [UnloadSecret("theirs-key"), SetAside(file.path)]
    assert {step.phase for step in last} == {Phase.RETIRE}


@pytest.mark.parametrize(
    ("operation", "summary"),
    [
        (CloseSurplus("tw-a"), "close the surplus CHILD_SAs of tw-a"),
        (Establish("tw-a", ("net",), Scope.FIRST), "bring up tw-a"),
        (
            Establish("tw-a", ("net",), Scope.RECONNECT),
            "terminate the SAs of tw-a, then bring it up again",
        ),
    ],
)
def test_a_switch_says_what_comes_up(operation: CloseSurplus | Establish, summary: str) -> None:
    step = switch_step("paris", "a", operation, Disruption.INTERRUPTS)
    assert (step.summary, step.phase, step.disruption) == (summary, Phase.SWITCH, Disruption.INTERRUPTS)
