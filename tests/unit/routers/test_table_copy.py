"""The nftables table is replaced while a copy of it guards, whichever script replaces it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from lab.engine import until
from reconciler.diff.firewall import firewall_changes
from reconciler.facets import firewall
from reconciler.facets.firewall import nft_listing
from reconciler.model.errors import CommandRejected
from reconciler.model.operation import ChangeFirewall
from reconciler.model.plan import ResourceChange
from reconciler.model.router_config import Firewall, RouterConfig, RouterState
from reconciler.model.way_back import Saved
from tests.unit.routers.scratch import GUARDS, OTHERS, PAIR, WAY, Scratch


def test_a_table_that_is_as_it_was_stays(paris: Scratch) -> None:
    paris.load(GUARDS)
    paris.sh("/etc/tunnelwright/load")
    handles = paris.sh("nft -a list table inet tunnelwright")
    paris.host.arm(WAY, Saved())
    paris.host.go_back(WAY.id)
    assert paris.sh("nft -a list table inet tunnelwright") == handles


def test_a_table_of_another_time_is_replaced_behind_a_copy(paris: Scratch) -> None:
    """At every moment one of two tables guards: the copy is there before the old one goes."""
    paris.load(GUARDS)
    paris.sh("/etc/tunnelwright/load")
    before = paris.sh("nft -s list table inet tunnelwright")
    paris.host.arm(WAY, Saved())
    paris.load(OTHERS)
    with behind_a_copy(paris):
        paris.sh("/etc/tunnelwright/load")
    assert paris.sh("nft -s list table inet tunnelwright") != before
    with behind_a_copy(paris):
        paris.host.go_back(WAY.id)
    assert paris.sh("nft -s list table inet tunnelwright") == before


@pytest.mark.parametrize("refused", [False, True])
def test_an_apply_replaces_the_table_behind_a_copy(paris: Scratch, refused: bool) -> None:
    """Should the change be refused, the copy goes as well."""
    old, new = (Firewall(guarded=frozenset({PAIR}), mss=mss) for mss in (1300, 1301))
    paris.host.change_firewall(firewall.rebuild(old, {}))
    desired = RouterConfig("paris", firewall=new)
    live = nft_listing.decode(paris.host.snapshot([]).firewall)
    state = RouterState("paris", "", frozenset(), {}, frozenset(), (), {}, frozenset(), live, {})
    [step] = [step for change in firewall_changes(desired, state) for step in change.steps]
    assert isinstance(step.operation, ChangeFirewall)
    if refused:
        with pytest.raises(CommandRejected):
            paris.host.change_firewall(step.operation.document[:-1], step.operation.copy)
        assert "loading" not in paris.sh("nft list tables")
        return
    with behind_a_copy(paris):
        paris.host.change_firewall(step.operation.document, step.operation.copy)
    assert firewall.same_rules(new, nft_listing.decode(paris.host.snapshot([]).firewall))


@pytest.mark.parametrize("who", ["an apply", "load", "going back"])
def test_only_one_replaces_the_table_at_a_time(paris: Scratch, who: str) -> None:
    """Each would take away the copy that guards for the other one."""
    paris.load(GUARDS)
    paris.sh("/etc/tunnelwright/load")
    paris.host.arm(WAY, Saved())
    paris.load(OTHERS)
    if who == "going back":
        paris.sh("/etc/tunnelwright/load")
    before = paris.sh("nft -s list table inet tunnelwright")
    copy, new = (firewall.rebuild(Firewall(), {}, name) for name in (firewall.COPY, firewall.TABLE))
    act: dict[str, Callable[[], object]] = {
        "an apply": lambda: paris.host.change_firewall(new, copy),
        "load": lambda: paris.sh("/etc/tunnelwright/load"),
        "going back": lambda: paris.host.go_back(WAY.id),
    }
    waits = """for process in /proc/[0-9]*; do
        ! grep -qsx flock $process/comm || tr '\\0' ' ' < $process/cmdline
    done | grep -c ' 8 $' || :"""
    with ThreadPoolExecutor() as pool:
        with paris.start(
            ["sh", "-c", "exec 8>/run/tunnelwright.firewall; flock 8; echo locked; cat"]
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"locked\n"
            acting = pool.submit(act[who])
            assert until(lambda: paris.sh(waits).strip() == "1", 20)
            assert paris.sh("nft -s list table inet tunnelwright") == before
            assert "loading" not in paris.sh("nft list tables")
            assert not paris.host.snapshot([]).copy, "the lock has a holder, who will remove it"
        acting.result(20)
    assert paris.sh("nft -s list table inet tunnelwright") != before


def test_a_copy_that_was_left_behind_is_drift_and_goes(paris: Scratch) -> None:
    """The process that had loaded it was killed, and it drops what belonged to tunnels of that time."""
    desired = RouterConfig("paris", firewall=Firewall(guarded=frozenset({PAIR})))

    def changes() -> list[ResourceChange]:
        found = paris.host.snapshot([])
        live = nft_listing.decode(found.firewall, copy=found.copy)
        state = RouterState("paris", "", frozenset(), {}, frozenset(), (), {}, frozenset(), live, {})
        return list(firewall_changes(desired, state))

    paris.host.change_firewall(firewall.rebuild(desired.firewall, {}))
    assert changes() == []
    for table in ("there", "missing"):
        paris.sh("nft add table inet tunnelwright_loading")
        if table == "missing":
            paris.sh("nft delete table inet tunnelwright")
        [change] = changes()
        assert "table tunnelwright_loading" in [item.path for item in change.changes]
        [operation] = [step.operation for step in change.steps]
        assert isinstance(operation, ChangeFirewall)
        paris.host.change_firewall(operation.document, operation.copy)
        assert changes() == []


@contextmanager
def behind_a_copy(paris: Scratch) -> Iterator[None]:
    """What replaces the table inside does so while a copy is in force: in three transactions."""
    groups = "awk '$2 == 12 && $4 !~ /^0+$/ { found = 1 } END { exit !found }' /proc/net/netlink"
    paris.sh(
        f"nft monitor > /run/monitor 2>&1 & echo $! > /run/monitoring; until {groups}; do sleep 0.05; done"
    )
    yield
    done = "until grep -q done_now /run/monitor; do sleep 0.05; done; nft delete table ip done_now"
    said = paris.sh(f"nft add table ip done_now; {done}; kill $(cat /run/monitoring); cat /run/monitor")
    generations: list[set[str]] = [set()]
    for line in said.splitlines():
        if line.startswith("# new generation"):
            generations.append(set())
        elif line.startswith(("add table inet", "delete table inet")):
            generations[-1].add(line)
    copy, real = "table inet tunnelwright_loading", "table inet tunnelwright"
    assert [lines for lines in generations if lines] == [
        {f"delete {copy}", f"add {copy}"},
        {f"delete {real}", f"add {real}"},
        {f"delete {copy}"},
    ]
    assert "loading" not in paris.sh("nft list tables")
