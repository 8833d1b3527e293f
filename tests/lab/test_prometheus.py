"""The alert rules and the dashboard, by Prometheus' own tool, over what the reconciler really exposes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.service.metric_families import FAMILIES
from tests.lab.repository import ROOT
from tests.unit.service.followed import followed
from tests.unit.service.test_metrics import measured

pytestmark = pytest.mark.engine

DEPLOY = ROOT / "deploy" / "prometheus"
Promtool = Callable[..., str]


@pytest.fixture(scope="module")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> Promtool:
    """Debian's, unpacked and not installed: a server is not wanted here."""
    folder = tmp_path_factory.mktemp("prometheus")
    subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=folder, check=True, capture_output=True)
    subprocess.run(["dpkg", "-x", str(next(folder.glob("*.deb"))), "."], cwd=folder, check=True)

    def run(*words: str, given: bytes = b"") -> str:
        command = [str(folder / "usr/bin/promtool"), *words]
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said
        return said

    return run


def expressions(dashboard: dict[str, object]) -> list[str]:
    """Every query, with Grafana's variables as Prometheus would get them."""
    text = json.dumps(dashboard)
    found = re.findall(r'"expr": ("(?:[^"\\]|\\.)*")', text)
    return [json.loads(item).replace("$__rate_interval", "5m").replace("$router", ".*") for item in found]


def test_each_alarm_is_raised_when_it_should_be(promtool: Promtool, tmp_path: Path) -> None:
    promtool("check", "rules", str(DEPLOY / "alerts.yaml"))
    promtool("test", "rules", str(DEPLOY / "alerts.test.yaml"))
    # The test of the rules does fail for other rules.
    text = (DEPLOY / "alerts.yaml").read_text()
    (tmp_path / "alerts.yaml").write_text(text.replace("child_sa_up == 0", "child_sa_up == 1"))
    (tmp_path / "alerts.test.yaml").write_text((DEPLOY / "alerts.test.yaml").read_text())
    with pytest.raises(AssertionError, match="TunnelConfiguredButDown"):
        promtool("test", "rules", str(tmp_path / "alerts.test.yaml"))


def test_what_is_exposed_follows_the_conventions(promtool: Promtool, tmp_path: Path) -> None:
    metrics, once = measured(followed(tmp_path))
    once()
    assert promtool("check", "metrics", given=metrics.expose("")[1]) == ""


def test_every_query_parses_and_asks_for_what_exists(promtool: Promtool, tmp_path: Path) -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    queries = expressions(dashboard)
    assert len(queries) > 10
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(path))
    known = {family.full_name for family in FAMILIES}
    asked = re.findall(r"tunnelwright_\w+", " ".join([*queries, (DEPLOY / "alerts.yaml").read_text()]))
    assert set(asked) <= known
    assert known - set(asked) <= {"tunnelwright_last_run_result"} | set(asked)
