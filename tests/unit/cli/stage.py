"""A repository and routers in memory, on which commands run as a user runs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.observe.state import observe
from tests.unit.service.followed import Followed

NOON = datetime(2026, 5, 9, 12, tzinfo=UTC)
NIGHT = datetime(2026, 5, 10, 2, 30, tzinfo=UTC)
WINDOW = """\
apiVersion: tunnelwright/v1
kind: SafetyPolicy
metadata: {name: fleet}
spec:
  windows: [{kind: allow, schedule: 0 2 * * *, duration: 3600}]
"""
FEW = "  deletions: {maxShare: 10, minimum: 1}\n"
ENDS = ("paris-tunnel.yaml", "tokyo-tunnel.yaml")


@dataclass(slots=True)
class Stage:
    """A repository, two routers with one tunnel between them, a clock, and what was printed."""

    site: Followed
    keys: Path
    capsys: pytest.CaptureFixture[str]
    clock: datetime = NOON

    def run(self, command: str, *words: str) -> tuple[int, str]:
        return self.main(command, str(self.site.tree), *words)

    def main(self, *words: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = main([*words, "--secrets", str(self.keys)])
        shown = self.capsys.readouterr()
        return code, shown.out + shown.err

    def apply(self, *words: str) -> tuple[int, str]:
        return self.run("apply", "--auto-approve", "--wait", "0.1", *words)

    def save(self) -> str:
        path = str(self.keys / "plan.json")
        assert self.run("plan", "--out", path)[0] == ExitCode.OK
        return path

    def both(self, old: str, new: str) -> None:
        for name in ENDS:
            self.site.edit(name, old, new)

    def reconnect(self, value: str = "now") -> None:
        """What interrupts, in Git."""
        for name, there in zip(ENDS, ("tokyo", "paris"), strict=True):
            wanted = f"-{there}, annotations: {{tunnelwright/reconnect: {value}}}}}"
            self.site.edit(name, f"-{there}}}", wanted)

    def live(self) -> dict[str, Any]:
        """What the routers hold and run."""
        seen = observe(self.site.fleet, dict.fromkeys(self.site.routers, ()))
        return {n: (s.files, s.secret_ids, s.firewall, s.sas, s.connections) for n, s in seen.states.items()}
