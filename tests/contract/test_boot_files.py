"""Boot files: compared and repaired like everything else that a router holds, and whole at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lab.engine import until
from lab.session import Lab
from lab.topology import Role
from reconciler.facets import boot
from reconciler.model.errors import CommandRejected
from reconciler.model.plan import Action, ResourceChange
from reconciler.model.router_config import OwnedFile, Platform
from tests.contract.sites import REAL, Site, state
from tests.converged import assert_converged

pytestmark = pytest.mark.one_transport

DROP_IN = "/etc/systemd/system/former.service.d/tunnelwright.conf"


def boot_change(site: Site) -> ResourceChange:
    [change] = [c for c in site.preview().plan.changes if c.resource.kind == "boot"]
    return change


def test_the_first_apply_writes_them_and_nothing_is_left_to_do(site: Site) -> None:
    applied = site.apply()
    assert_converged(applied)
    files = state(site).owned
    assert {boot.GUARD, boot.SYSCTLS} <= files.keys()
    assert files[boot.GUARD].mode == 0o600
    assert {file.owner for file in files.values()} == {"0:0"}
    assert site.preview().plan.empty


@pytest.mark.parametrize("what", ["content", "mode", "missing", "surplus"])
def test_drift_of_a_boot_file_is_found_and_repaired(site: Site, what: str) -> None:
    site.apply()
    host = site.connect("paris").host
    if what == "content":
        host.write_owned({boot.SYSCTLS: OwnedFile("net/ipv4/ip_forward = 0\n", 0o644)})
    elif what == "mode":
        wanted = site.preview().desired["paris"]
        content = boot.boot_files(wanted, Platform(), wanted.addresses)[boot.SYSCTLS]
        host.write_owned({boot.SYSCTLS: replace(content, mode=0o666)})
    elif what == "missing":
        host.remove_owned([boot.SYSCTLS])
    else:
        host.write_owned({DROP_IN: OwnedFile("[Service]\n", 0o644)})
    change = boot_change(site)
    assert change.action is Action.UPDATE
    assert [field.path for field in change.changes] == [DROP_IN if what == "surplus" else boot.SYSCTLS]
    assert_converged(site.apply())
    assert site.preview().plan.empty


def test_a_router_without_tunnels_and_vips_keeps_none(site: Site) -> None:
    site.apply()
    bare = replace(site.fabric, tunnels={}, vips={})
    applied = site.apply(bare)
    assert_converged(applied)
    assert not state(site).owned


@REAL
def test_what_nft_refuses_does_not_replace_the_guards(site: Site) -> None:
    site.apply()
    before = state(site).owned
    with pytest.raises(CommandRejected, match="syntax error"):
        site.connect("paris").host.write_owned({boot.GUARD: OwnedFile("table inet tunnelwright {\n", 0o600)})
    assert state(site).owned == before


@REAL
def test_the_guards_load_as_the_table_of_an_apply(site: Site, contract_lab: Lab) -> None:
    """What `load` makes is what a look expects, in one transaction with other rules as well."""
    site.apply()
    # The source NAT of the lab's routers, which goes with the flush.
    lost = contract_lab.run(Role.ROUTER, "paris", ["nft", "list", "table", "ip", "vrouter"])
    own = "/run/own.nft"
    script = f"echo 'flush ruleset' > {own}; echo 'table ip own' >> {own}; /etc/tunnelwright/load"
    for words in ("", f" with {own}", " flush"):
        contract_lab.run(
            Role.ROUTER, "paris", ["sh", "-c", f"nft delete table inet tunnelwright; {script}{words}"]
        )
        assert site.preview().plan.empty, words
    contract_lab.run(Role.ROUTER, "paris", ["sh", "-c", 'printf %s "$1" | nft -f -', "sh", lost])


@REAL
@pytest.mark.parametrize("flushed_by", ["the file", "an included file", "nothing else"])
def test_the_rules_of_the_router_are_replaced_beside_the_guards(
    site: Site, contract_lab: Lab, flushed_by: str
) -> None:
    """The table stays as it is, since packets on their way could slip between an old and a new one. A file
    whose flush cannot be taken out replaces both."""
    site.apply()
    baseline = shell(contract_lab, "nft list table ip vrouter")
    own, included = "/run/own.nft", "/run/included.nft"
    lines = {
        "the file": f"echo ' flush ruleset;' > {own}; echo 'include \"{included}\"' >> {own}; : > {included}",
        "an included file": f"echo 'include \"{included}\"' > {own}; echo 'flush ruleset' > {included}",
        "nothing else": f": > {own}",
    }
    words = "flush" if flushed_by == "nothing else" else f"with {own}"
    handles = "nft -a list table inet tunnelwright | sed 's/packets.*bytes [0-9]*//'"
    before = shell(contract_lab, handles)
    shell(contract_lab, f"nft add table ip former; {lines[flushed_by]}; echo 'table ip own' >> {own}")
    try:
        shell(contract_lab, f"/etc/tunnelwright/load {words}")
        tables = {"table inet tunnelwright"} | ({"table ip own"} if words != "flush" else set())
        assert set(shell(contract_lab, "nft list tables").splitlines()) == tables
        assert (shell(contract_lab, handles) == before) == (flushed_by != "an included file")
        assert site.preview().plan.empty
    finally:
        shell(contract_lab, 'nft delete table ip own 2>/dev/null; printf %s "$1" | nft -f -', baseline)


@REAL
@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        ("cd /etc/tunnelwright; head -n -1 guard.nft > x; mv x guard.nft", "set guarded"),
        ("cd /etc/tunnelwright; : > guard.nft", "set guarded"),
        ("cd /etc/tunnelwright; for f in guard*; do echo '{' > $f; echo '# end' >> $f; done", "policy drop"),
        ("rm /etc/tunnelwright/guard*", "policy drop"),
    ],
)
def test_the_guards_fail_closed(site: Site, contract_lab: Lab, spoil: str, left: str) -> None:
    site.apply()
    load = "nft delete table inet tunnelwright; /etc/tunnelwright/load 2>/dev/null; echo status $?"
    said = contract_lab.run(
        Role.ROUTER, "paris", ["sh", "-c", f"{spoil}; {load}; nft list table inet tunnelwright"]
    )
    assert "status 1" in said
    assert left in said
    assert_converged(site.apply())


SAID = "/run/watch.err"
DEADLINE = 30.0


@contextmanager
def watching(lab: Lab) -> Iterator[None]:
    """`watch` runs, as its unit would start it, and listens."""
    baseline = shell(lab, "nft list table ip vrouter")
    shell(lab, f"setsid /etc/tunnelwright/watch </dev/null >/dev/null 2>{SAID} & echo $! > /run/watch.pid")
    listens = "awk '$2 == 12 && $4 !~ /^0+$/ { print }' /proc/net/netlink"
    assert until(lambda: shell(lab, listens) != "", DEADLINE)
    try:
        yield
    finally:
        shell(lab, 'kill -- "-$(cat /run/watch.pid)"')
        # The source NAT of the lab's routers, in case a flush took it.
        shell(lab, 'nft delete table ip vrouter 2>/dev/null; printf %s "$1" | nft -f -', baseline)


def shell(lab: Lab, script: str, *words: str) -> str:
    return lab.run(Role.ROUTER, "paris", ["sh", "-c", script, "sh", *words])


@REAL
@pytest.mark.parametrize("command", ["flush ruleset", "delete table inet tunnelwright"])
def test_the_router_loads_a_table_again_that_another_program_deletes(
    site: Site, contract_lab: Lab, command: str
) -> None:
    """A container may not create the network namespace in which `watch` compares more (`tests/lab/boots`)."""
    site.apply()
    with watching(contract_lab):
        shell(contract_lab, f"nft {command}")
        assert until(lambda: "loaded again" in shell(contract_lab, f"cat {SAID}"), DEADLINE)
        assert until(lambda: site.preview().plan.empty, DEADLINE)
