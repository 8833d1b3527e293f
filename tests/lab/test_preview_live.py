"""`preview --live` against three real routers: what a commit would do to them as they are."""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.session import Lab
from lab.topology import Role
from reconciler.model.errors import ExitCode
from tests.lab.repository import KEYS, Repository

pytestmark = pytest.mark.engine


class Change(Repository):
    """A commit that changes one tunnel at both ends, after another one that is applied."""

    def change(self) -> None:
        for file in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
            self.edit(file, "pfs: dh-group31", "pfs: dh-group20")
        self.commit("another group")

    def preview(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`preview --live` of the last commit."""
        place = ["--lab", self.lab, "--secrets", str(self.secrets), "--base", "HEAD~1", "--live"]
        return self.run_plain("preview", str(self.tree), *place, "--detailed-exitcode", *words)


@pytest.fixture
def change(lab3: Lab, tmp_path: Path) -> Change:
    found = Change(tmp_path, lab3.name)
    found.create({name: f"PLANTED-{secrets.token_hex(16)}" for name in KEYS})
    applied = found.run("apply", "--auto-approve")
    assert applied.returncode == ExitCode.OK, applied.stdout + applied.stderr
    found.change()
    return found


def test_a_commit_is_planned_from_the_routers_and_drift_is_counted(change: Change, lab3: Lab) -> None:
    lab3.run(Role.ROUTER, "router-b", ["rm", "/etc/swanctl/conf.d/tw-b-to-a.conf"])
    text = change.preview()
    assert text.returncode == ExitCode.CHANGES, text.stderr
    group = "children.net.esp_proposals: aes256gcm16-curve25519 -> aes256gcm16-ecp384"
    assert f"{group}  (known from the router's file)" in text.stdout
    assert "Plan: 0 to add, 2 to change, 0 to destroy.\nDisruption: 1 make-before-break." in text.stdout
    assert "b-to-a" not in text.stdout
    assert "note: 1 other resource differs on the routers, but not because of this commit" in text.stdout
    markdown = change.preview("--format", "markdown").stdout
    assert "| `~` | tunnel `a-to-c` | `router-a` | none (make before break) |" in markdown
    assert "1 other resource differs on the routers" in markdown
    objects = [json.loads(line) for line in change.preview("--format", "json").stdout.splitlines()]
    planned = [item["name"] for item in objects if item["type"] == "resource_change"]
    assert planned == ["a-to-c", "c-to-a"]
    assert change.run("apply", "--auto-approve").returncode == ExitCode.OK
    again = change.preview()
    assert again.returncode == ExitCode.OK
    assert again.stdout.startswith("No changes. The routers already match the commit.\n")
    assert not any("PLANTED" in said for said in change.said)


def test_what_has_drifted_in_the_tunnel_itself_is_named(change: Change, lab3: Lab) -> None:
    lab3.run(Role.ROUTER, "router-c", ["swanctl", "--terminate", "--ike", "tw-c-to-a"])
    lab3.run(Role.ROUTER, "router-c", ["rm", "/etc/swanctl/conf.d/tw-c-to-a.conf"])
    lab3.run(Role.ROUTER, "router-c", ["swanctl", "--load-conns"])
    said = change.preview().stdout
    assert (
        "note: different on the routers and in the base, so this is planned too: router-c/tunnel/c-to-a"
        in said
    )
    assert change.run("apply", "--auto-approve").returncode == ExitCode.OK


def test_a_router_that_does_not_answer_is_said_and_holds_up_nothing(
    change: Change, lab3: Lab, engine: Engine
) -> None:
    with engine.connect() as client:
        container = lab3.container(Role.ROUTER, "router-b")
        client.pause(container)
        try:
            beside = change.preview()
        finally:
            client.unpause(container)
        container = lab3.container(Role.ROUTER, "router-c")
        client.pause(container)
        try:
            itself = change.preview("--format", "markdown")
        finally:
            client.unpause(container)
    assert beside.returncode == ExitCode.CHANGES, beside.stderr
    assert "! router-b: not planned, unreachable: container" in beside.stdout
    assert "Plan: 0 to add, 2 to change, 0 to destroy." in beside.stdout
    assert itself.returncode == ExitCode.OK, itself.stderr
    assert "**Not planned: the commit changes only routers that did not answer.**" in itself.stdout
    assert "- ! `router-c`: not planned, unreachable" in itself.stdout
    assert "- ! `a-to-c`: withheld" in itself.stdout
