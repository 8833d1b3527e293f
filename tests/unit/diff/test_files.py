"""How a tunnel's file differs apart from connection and key, and which files of others can go."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from reconciler.compile.as_applied import as_applied
from reconciler.diff import files
from reconciler.model.operation import Establish, Scope, SetAside, UnloadSecret
from reconciler.model.plan import Disruption, Phase
from reconciler.model.router_config import ForeignFile
from reconciler.model.swanctl import Change
from tests.contract.sites import change_tunnels
from tests.fabrics import two_routers
from tests.unit.diff.ends import (
    NAME,
    compiled,
    desired,
    end_of,
    fields,
    held,
    steps,
    tunnel_of,
    with_file,
)

WRITE = (Phase.COMMIT, "write /etc/swanctl/conf.d/tw-paris-tokyo.conf")
FOREIGN = "/etc/swanctl/conf.d/office.conf"


def test_an_edit_that_changes_nothing_else_is_reported_as_one() -> None:
    change = tunnel_of(desired(), with_file(held(), lambda content: b"# by hand\n" + content))
    assert change.changes == (Change("file", "edited", "rendered", "file"),)
    assert change.reason == "the router's file differs"
    assert steps(change) == [WRITE]


def test_an_edit_that_changes_a_field_is_reported_as_that_field_alone() -> None:
    change = tunnel_of(
        desired(), with_file(held(), lambda content: content.replace(b"mobike = no", b"mobike = yes"))
    )
    assert fields(change) == {"mobike": ("yes", "no")}


@pytest.mark.parametrize("mode", [0o644, 0o400, 0o000])
def test_a_mode_that_is_not_for_the_owner_alone_is_set_by_writing(mode: int) -> None:
    change = tunnel_of(desired(), with_file(held(), lambda content: content, mode))
    assert change.changes == (Change("file.mode", f"{mode:04o}", "0600", "file"),)
    assert steps(change) == [WRITE]


def test_protection_is_written_into_the_file_and_touches_nothing_else() -> None:
    on = tunnel_of(desired(protected=True), held())
    assert on.changes == (Change("deletionProtection", "off", "on", "file"),)
    assert steps(on) == [WRITE]
    off = tunnel_of(desired(), held(protected=True))
    assert off.changes == (Change("deletionProtection", "on", "off", "file"),)


def test_a_reconnect_is_done_once_for_each_word_in_git() -> None:
    change = tunnel_of(desired(reconnect="monday"), held(reconnect="sunday"))
    assert change.changes == (Change("reconnect", "sunday", "monday", "file"),)
    assert change.reason == "a reconnect is requested"
    [switch] = [step for step in change.steps if step.phase is Phase.SWITCH]
    assert switch.disruption is Disruption.INTERRUPTS
    assert isinstance(switch.operation, Establish)
    assert switch.operation.scope is Scope.RECONNECT
    assert (
        files.compare(end_of(desired(reconnect="sunday"), held(reconnect="sunday")), (), explained=False)
        == ()
    )


def test_a_file_that_does_not_say_is_no_reason_to_interrupt() -> None:
    silent = with_file(held(), lambda content: content.replace(b"# Reconnect: never\n", b""))
    assert "reconnect" not in fields(tunnel_of(desired(reconnect="monday"), silent))


def test_a_word_that_is_taken_back_is_no_reason_to_reconnect() -> None:
    change = tunnel_of(desired(), held(reconnect="monday"))
    assert change.changes == (Change("file", "edited", "rendered", "file"),)


def test_the_command_reconnects_whatever_git_says() -> None:
    change = tunnel_of(desired(), held(), "paris-tokyo")
    assert change.changes == (Change("reconnect", None, "now", "file"),)
    assert not any(phase is Phase.COMMIT for phase, _ in steps(change)), "Git's word is in the file already"


def test_the_file_of_an_adopted_connection_goes_with_its_keys() -> None:
    file = ForeignFile(FOREIGN, ("ike-office", "ike-not-loaded"))
    config = desired(adopts="office")
    state = replace(
        held(), foreign_files={"office": file}, secret_ids=held().secret_ids | {"ike-office", "ike-other"}
    )
    change = tunnel_of(config, state)
    assert change.changes == (Change("adopted.file", FOREIGN, f"{FOREIGN}.adopted", "file"),)
    assert change.reason == "the file of office would load it again"
    assert [step.operation for step in change.steps] == [UnloadSecret("ike-office"), SetAside(FOREIGN)]


def test_a_file_of_several_goes_with_the_last_that_is_taken_over() -> None:
    fabric = change_tunnels(two_routers(), adopts="office")
    first = fabric.tunnels["paris-tokyo"]
    second = replace(first, name="second", adopts="annex", other_end=None, peer_address="203.0.113.13")
    config = compiled(replace(fabric, tunnels={first.name: first, second.name: second}))
    state = as_applied(config)
    theirs = {
        "office": ForeignFile(FOREIGN, (), ("annex",)),
        "annex": ForeignFile(FOREIGN, (), ("office",)),
    }

    def going(*loaded: str, written: Collection[str] = tuple(state.files)) -> list[str]:
        """The ends with which the file goes, while these foreign connections are loaded still."""
        foreign = dict.fromkeys(loaded, state.connections[NAME])
        files_there = {name: file for name, file in state.files.items() if name in written}
        found = replace(
            state, connections={**state.connections, **foreign}, files=files_there, foreign_files=theirs
        )
        return [name for name in config.connections if files.adopted(end_of(config, found, name))]

    assert going("office", "annex") == []
    assert going("office") == ["tw-paris-tokyo"], "the annex is taken over"
    assert going("annex") == ["tw-second"]
    assert going() == ["tw-second"], "one of them, where both are"
    assert going("office", written=["tw-paris-tokyo.conf"]) == [], "the annex would be without any"
