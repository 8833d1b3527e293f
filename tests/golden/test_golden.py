"""Plans as people read them. Each folder holds a `live.yaml`, which is applied to routers in memory, a
`desired.yaml`, which is planned against them, and the `plan.txt` that must come out, with what the
limits say of it.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the plans anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.load import load_tree
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import InterfaceAddress
from reconciler.operations.apply import apply
from reconciler.operations.convert import convert
from reconciler.operations.observed_plan import narrowed, observed_plan
from reconciler.policy import judge
from reconciler.report.judgement_text import judgement_lines
from reconciler.report.plan_text import plan_lines
from reconciler.routers.fleet import Fleet
from reconciler.secrets import FINGERPRINT_KEY, SecretStore
from reconciler.validate import validate
from tests.allowed import ALLOWED
from tests.memory import MemoryRouter, Network

HERE = Path(__file__).parent
NOW = datetime(2026, 5, 9, 12, tzinfo=UTC)
CASES = sorted(path.name for path in HERE.iterdir() if (path / "desired.yaml").exists())


def fabric_of(file: Path, folder: Path, *, connected: bool = False) -> Fabric:
    """The fabric of a file; `connected`: of what `tunnelwright convert` makes of it."""
    tree = folder / file.stem
    tree.mkdir()
    shutil.copy(file, tree)
    loaded = load_tree(tree)
    fabric, found = validate(loaded)
    assert found.errors == ()
    if not connected:
        return fabric
    done = convert(loaded, fabric, lambda name: (tree / name).read_text())
    assert len(done.connections) == sum(end.other_end is not None for end in fabric.tunnels.values()) / 2
    for name, text in done.after.items():
        (tree / name).write_text(text)
    fabric, found = validate(load_tree(tree))
    assert found.errors == ()
    return fabric


@pytest.mark.parametrize("form", ["two documents", "connection"])
@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_the_golden_one(case: str, form: str, tmp_path: Path) -> None:
    """Whether the ends of a pair have a document each, or one together."""
    connected = form == "connection"
    live, desired = (
        fabric_of(HERE / case / f"{name}.yaml", tmp_path, connected=connected) for name in ("live", "desired")
    )
    (tmp_path / FINGERPRINT_KEY).touch(mode=0o600)
    (tmp_path / FINGERPRINT_KEY).write_text("the same for every run")
    store = SecretStore(tmp_path, {"KEY": "a golden key", "NEW_KEY": "another golden key", **ALLOWED})
    network = Network()
    routers = {
        name: MemoryRouter(
            name,
            network,
            [InterfaceAddress(a.interface, f"{a.address}/24") for a in (*router.public, *router.vpc)],
        )
        for name, router in desired.routers.items()
    }
    apply(observed_plan(live, store, Fleet(routers.__getitem__)), Fleet(routers.__getitem__), timeout=0.1)
    planned = observed_plan(desired, store, Fleet(routers.__getitem__))
    judgement = judge(planned.plan, desired, planned.observation.states, NOW)
    now = narrowed(planned, judgement.allows).plan
    lines = [*plan_lines(planned.plan, now=now), *judgement_lines(judgement)]
    text = "".join(f"{line.text}\n" for line in lines)
    golden = HERE / case / "plan.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
