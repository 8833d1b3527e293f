"""A live fleet whose documents are converted to connections: nothing changes, and connections are applied."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from lab.session import Lab
from reconciler.model.errors import ExitCode
from tests.lab.repository import KEYS, Repository

pytestmark = pytest.mark.engine


def test_the_plan_is_empty_after_a_conversion_and_a_connection_changes_both_ends(
    lab3: Lab, tmp_path: Path
) -> None:
    there = Repository(tmp_path, lab3.name)
    there.create({name: f"PLANTED-{secrets.token_hex(16)}" for name in KEYS})
    applied = there.run("apply", "--auto-approve")
    assert applied.returncode == ExitCode.OK, applied.stdout + applied.stderr
    assert there.run_plain("convert", str(there.tree)).returncode == ExitCode.OK
    there.commit("connections")
    empty = there.run("plan", "--detailed-exitcode")
    assert empty.returncode == ExitCode.OK, empty.stdout + empty.stderr
    there.edit("site-a/a-to-c.yaml", "pfs: dh-group31", "pfs: dh-group20")
    there.commit("another group")
    changed = there.run("apply", "--auto-approve")
    assert changed.returncode == ExitCode.OK, changed.stdout + changed.stderr
    assert "2 to change, 0 to destroy" in changed.stdout
    assert there.run("plan", "--detailed-exitcode").returncode == ExitCode.OK
    assert not any("PLANTED" in said for said in there.said)
