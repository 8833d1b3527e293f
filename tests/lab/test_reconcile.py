"""The reconciler as a process of its own, over real routers: it follows commits, heals, rolls back, ends."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import expect

from lab.engine import until
from lab.session import Lab
from lab.topology import Role
from reconciler.model.errors import ExitCode
from tests.lab.repository import KEYS, ROOT, Repository
from tests.unit.page.browsers import chromium
from tests.unit.page.crawl import ask, crawled

pytestmark = pytest.mark.engine
# New negotiations with site-c get no answer; what is up goes on: the liveness checks of a running IKE_SA are
# INFORMATIONAL. The exchange type is byte 18 of the IKE header, 34 is IKE_SA_INIT (RFC 7296, section 3.1).
DEAF = """
nft add table inet foreign
nft add chain inet foreign in '{ type filter hook input priority -10; }'
nft add rule inet foreign in udp dport 500 @th,208,8 34 drop
"""
REACHABLE = "nft delete table inet foreign"


@pytest.fixture(scope="module")
def repository(lab3: Lab, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    found = Repository(tmp_path_factory.mktemp("repository"), lab3.name)
    found.create({name: f"PLANTED-{secrets.token_hex(16)}" for name in KEYS})
    (found.folder / "reconcile.yaml").write_text(
        f"repository: {found.folder}\nstate: {found.folder}/state\nsecrets: {found.secrets}\ninterval: 1\n"
        f"metricsFile: {found.folder}/metrics.prom\n"
    )
    return found


def reconcile(repository: Repository, *words: str) -> subprocess.Popen[str]:
    options = ["--json", "--lab", repository.lab, "--config", str(repository.folder / "reconcile.yaml")]
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", "reconcile", *options, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def once(repository: Repository) -> tuple[int, dict[str, Any]]:
    """One run: its exit code and its record."""
    done = repository.finish(reconcile(repository, "--once"))
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def spis(lab: Lab, router: str, connection: str) -> set[str]:
    listed = lab.exec(Role.ROUTER, router, ["swanctl", "--list-sas", "--ike", connection]).stdout
    return {word for line in listed.splitlines() if line.split()[:1] == ["in"] for word in line.split()[1:2]}


def test_a_commit_reaches_the_routers_and_a_bad_one_is_rolled_back(lab3: Lab, repository: Repository) -> None:
    code, first = once(repository)
    assert (code, first["result"]) == (ExitCode.OK, "changed"), first
    up = spis(lab3, "router-a", "tw-a-to-c")
    other = spis(lab3, "router-a", "tw-a-to-b")
    assert up
    assert once(repository)[1]["result"] == "in sync"
    metrics = (repository.folder / "metrics.prom").read_text()
    carried = re.findall(
        r"^tunnelwright_child_sa_received_bytes_total\{.*\} ([0-9.]+)$", metrics, re.MULTILINE
    )
    assert len(carried) == metrics.count('child="net') / 3 == 4
    assert min(map(float, carried)) > 0, "the probes of the first run"
    for end in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
        repository.edit(end, "dhGroup: 31", "dhGroup: 15")
    repository.commit("another group")
    lab3.run(Role.ROUTER, "router-c", ["sh", "-c", DEAF])
    try:
        code, record = once(repository)
    finally:
        lab3.run(Role.ROUTER, "router-c", ["sh", "-c", REACHABLE])
    assert (code, record["result"]) == (ExitCode.INCOMPLETE, "rolled back"), record
    assert "and proven" in record["message"]
    assert spis(lab3, "router-a", "tw-a-to-c") == up, "the tunnel that carried traffic was never taken down"
    assert spis(lab3, "router-a", "tw-a-to-b") == other
    code, later = once(repository)
    assert later["in_force"] == first["head"]
    assert "was rolled back" in later["message"]
    for end in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
        repository.edit(end, "dhGroup: 15", "dhGroup: 16")
    repository.commit("yet another group")
    assert once(repository)[1]["result"] == "changed"
    assert not any("PLANTED" in text for text in repository.said)
    kept = b"".join(path.read_bytes() for path in (repository.folder / "state").rglob("*") if path.is_file())
    assert b"PLANTED" not in kept


def test_the_service_heals_follows_and_ends_on_a_signal(lab3: Lab, repository: Repository) -> None:
    once(repository)
    process = reconcile(repository)
    try:
        lab3.run(Role.ROUTER, "router-a", ["swanctl", "--terminate", "--ike", "tw-a-to-b"])
        lab3.run(Role.ROUTER, "router-a", ["sh", "-c", "nft delete table inet tunnelwright"])
        healed = ["nft", "list", "table", "inet", "tunnelwright"]
        assert until(lambda: lab3.exec(Role.ROUTER, "router-a", healed).exit_code == 0, 30)
        repository.edit("site-a/a-to-c.yaml", "dhGroup: 16", "dhGroup: 17")
        repository.edit("site-c/c-to-a.yaml", "dhGroup: 16", "dhGroup: 17")
        repository.commit("one more group")
        algorithms = ["swanctl", "--list-sas", "--ike", "tw-a-to-c"]
        assert until(lambda: "MODP_6144" in lab3.exec(Role.ROUTER, "router-a", algorithms).stdout, 30)
    finally:
        process.send_signal(signal.SIGTERM)
        done = repository.finish(process, 30)
    assert done.returncode == ExitCode.OK, done.stderr
    results = [json.loads(line).get("result") for line in done.stdout.splitlines()]
    assert results.count("changed") >= 2, results
    assert done.stderr == ""


def test_a_charon_that_hangs_delays_no_other(lab3: Lab, repository: Repository) -> None:
    once(repository)
    lab3.run(Role.ROUTER, "router-c", ["pkill", "-STOP", "charon-systemd"])
    try:
        lab3.run(Role.ROUTER, "router-b", ["nft", "delete", "table", "inet", "tunnelwright"])
        code, record = once(repository)
        assert (code, record["result"]) == (ExitCode.INCOMPLETE, "incomplete")
        assert "router-c is unreachable" in record["message"]
        lab3.run(Role.ROUTER, "router-b", ["nft", "list", "table", "inet", "tunnelwright"])
    finally:
        lab3.run(Role.ROUTER, "router-c", ["pkill", "-CONT", "charon-systemd"])
    assert once(repository)[1]["result"] == "in sync"


def test_a_charon_that_is_killed_comes_back_with_its_tunnels(lab3: Lab, repository: Repository) -> None:
    once(repository)
    lab3.run(Role.ROUTER, "router-c", ["pkill", "-KILL", "charon-systemd"])
    assert until(lambda: once(repository)[1]["result"] == "in sync", 60)
    through = ["ping", "-c", "20", "-i", "0.2", "-W", "2", "-I", "10.3.0.1", "10.1.0.1"]
    assert until(lambda: lab3.exec(Role.ROUTER, "router-c", through).exit_code == 0, 30)


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is mounted into a router, which takes root")
def test_a_full_disk_on_a_router_breaks_no_tunnel(lab3: Lab, repository: Repository) -> None:
    once(repository)
    with lab3.engine.connect() as client:
        process = client.inspect_container(lab3.container(Role.ROUTER, "router-c"))["State"]["Pid"]
    inside = ["nsenter", "--target", str(process), "--mount"]
    folder = "/etc/swanctl/conf.d"
    full = (
        f"cp -a {folder} /tmp/kept && mount -t tmpfs -o size=8k none {folder} && cp -a /tmp/kept/. {folder}"
    )
    subprocess.run([*inside, "sh", "-c", f"{full} && (cat /dev/zero > {folder}/ballast || true)"], check=True)
    repository.set_key(KEYS[1], secrets.token_hex(16))
    up = spis(lab3, "router-a", "tw-a-to-c")
    try:
        code, record = once(repository)
        assert code == ExitCode.INCOMPLETE
        assert "No space left on device" in record["message"]
        assert spis(lab3, "router-a", "tw-a-to-c") & up
    finally:
        subprocess.run([*inside, "umount", folder], check=True)
    assert once(repository)[1]["result"] == "changed"


def test_a_tunnel_that_goes_down_turns_red_in_a_browser(
    lab3: Lab, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a reload, and before the next run; and green again."""
    once(repository)
    # What another test has ended stays down until a packet wants it; or it has come up by itself.
    again = ["swanctl", "--initiate", "--child", "net", "--ike", "tw-a-to-b"]
    lab3.exec(Role.ROUTER, "router-a", again)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("TUNNELWRIGHT_PAGE__PORT", str(port))
    monkeypatch.setenv("TUNNELWRIGHT_INTERVAL", "600")
    process = reconcile(repository)
    address = f"http://127.0.0.1:{port}"
    try:
        with chromium() as browser:
            assert until(lambda: shows(address, "/", "2 of 2 connections are up"), 60)
            assert until(lambda: shows(address, "/routers/router-a", "<dd>followed</dd>"), 60)
            page = browser.new_page()
            page.goto(address)
            expect(page.locator("#live")).to_have_text("live", timeout=60_000)
            page.evaluate("window.stayed = true")
            lab3.run(Role.ROUTER, "router-b", ["sh", "-c", DEAF])
            try:
                lab3.run(Role.ROUTER, "router-a", ["swanctl", "--terminate", "--ike", "tw-a-to-b"])
                expect(page.locator("tr.is-down", has_text="a-to-b")).to_be_visible(timeout=60_000)
            finally:
                lab3.run(Role.ROUTER, "router-b", ["sh", "-c", REACHABLE])
            lab3.exec(Role.ROUTER, "router-a", again)
            expect(page.locator("tr.is-down")).to_have_count(0, timeout=60_000)
            assert page.evaluate("window.stayed")
        assert not any(b"PLANTED" in answer.body for answer in crawled(address).values())
    finally:
        process.send_signal(signal.SIGTERM)
        repository.finish(process)


def shows(address: str, path: str, text: str) -> bool:
    try:
        return text in ask(address, path).text
    except OSError:
        return False
