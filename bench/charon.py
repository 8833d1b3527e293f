"""`make bench`: tunnelwright beside `swanctl --load-all`, on one real charon, in one run.

Both get the same tunnels, by turns, several times. What is compared is not the same work, and the
table says so: swanctl loads files that are on the router already, tunnelwright reads the repository,
validates it, observes the router, plans, changes, writes the files, and observes again. Neither brings a
tunnel up: the peers do not exist.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.fabric import KEY, ROUTER, tunnel_file, tunnel_text, write_tree
from bench.router import on_router
from lab.engine import find_engine
from lab.session import Lab
from lab.topology import Role
from reconciler.apply.phases import apply_plan
from reconciler.load import load_tree
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Phase, Plan
from reconciler.operations.observed_plan import ObservedPlan, observed, observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import FOLDER, SecretStore
from reconciler.validate import validate

CHANGED = 10


class Bench:
    """One charon, one tree, and both ways of getting the second into the first."""

    def __init__(self, lab: Lab, tree: Path, store: SecretStore) -> None:
        self.lab = lab
        self.tree = tree
        self.store = store

    def fabric(self) -> Fabric:
        """Load and validate."""
        fabric, found = validate(load_tree(self.tree))
        if found.errors:
            raise SystemExit(str(found.errors[0]))
        return fabric

    def connect(self, name: str) -> Router:
        """The router in the lab."""
        return DockerRouter(self.fabric_.routers[name], self.lab.name, self.lab.links)

    @property
    def fleet(self) -> Fleet:
        """All of them."""
        return Fleet(self.connect)

    def plan(self) -> ObservedPlan:
        """tunnelwright: everything up to the plan."""
        self.fabric_ = self.fabric()
        return observed_plan(self.fabric_, self.store, self.fleet)

    def apply(self) -> int:
        """tunnelwright: plan, apply, observe again; the number of steps."""
        found = self.plan()
        plan = without_switch(found.plan)
        outcomes = apply_plan(plan, self.fleet)
        failed = [outcome for outcome in outcomes if outcome.message]
        if failed:
            raise SystemExit(f"{failed[0].step.summary}: {failed[0].message}")
        observed(found.desired, self.fleet)
        return len(outcomes)

    def swanctl(self) -> None:
        """swanctl: load all files."""
        self.lab.run(Role.ROUTER, ROUTER, ["swanctl", "--load-all"])

    def edit(self, integrity: str) -> None:
        """Change one field of some tunnels in the repository."""
        for number in range(CHANGED):
            (self.tree / tunnel_file(number)).write_text(tunnel_text(number, integrity))

    def edit_on_router(self, old: str, new: str) -> None:
        """The same change in the router's files, as it is made without tunnelwright."""
        on_router(self.lab, ROUTER, "edit", str(CHANGED), old, new)

    def forget(self) -> None:
        """A charon that has nothing loaded; the files stay where they are."""
        on_router(self.lab, ROUTER, "aside")
        self.swanctl()
        self.lab.run(Role.ROUTER, ROUTER, ["swanctl", "--load-creds", "--clear"])
        on_router(self.lab, ROUTER, "back")

    def wipe(self) -> None:
        """A bare router."""
        on_router(self.lab, ROUTER, "wipe")
        self.forget()


def without_switch(plan: Plan) -> Plan:
    """The plan less the steps that bring tunnels up."""
    changes = tuple(
        replace(c, steps=tuple(s for s in c.steps if s.phase is not Phase.SWITCH)) for c in plan.changes
    )
    return replace(plan, changes=changes)


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Each figure, once a round."""
    found: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        found.setdefault(name, []).append(timed(work))
        print(f"  {name}: {found[name][-1]:.2f} s", file=sys.stderr)

    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        bench.wipe()
        note("all new, tunnelwright apply", bench.apply)
        bench.forget()
        note("all new, swanctl --load-all", bench.swanctl)
        note("load and validate the repository", bench.fabric)
        note("nothing changed, tunnelwright plan", bench.plan)
        if not bench.plan().plan.empty:
            raise SystemExit("the plan is not empty")
        note("nothing changed, swanctl --load-all", bench.swanctl)
        bench.edit("sha512")
        note("10 changed, tunnelwright plan", bench.plan)
        note("10 changed, tunnelwright apply", bench.apply)
        bench.edit_on_router("sha512", "sha384")
        note("10 changed, swanctl --load-all", bench.swanctl)
        bench.edit("sha256")
    return found


def table(found: dict[str, list[float]], tunnels: int) -> str:
    """Markdown: medians, and ratios within each round so that a slow moment hits both."""
    lines = [f"| {tunnels} tunnels, one charon | median | beside `swanctl --load-all` |", "|---|---|---|"]
    for name, seconds in found.items():
        case, _, tool = name.partition(", ")
        ratio = ""
        if tool.startswith("tunnelwright"):
            pairs = zip(seconds, found[f"{case}, swanctl --load-all"], strict=True)
            ratio = f"{statistics.median(ours / theirs for ours, theirs in pairs):.2f} x"
        lines.append(f"| {name} | {statistics.median(seconds):.2f} s | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunnels", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    engine = find_engine(lambda line: print(line, file=sys.stderr))
    os.environ["DOCKER_HOST"] = engine.url
    with tempfile.TemporaryDirectory() as folder:
        tree, secrets = Path(folder, "tree"), Path(folder, "secrets")
        tree.mkdir()
        secrets.mkdir(mode=0o700)
        (secrets / FOLDER).mkdir()
        (secrets / FOLDER / KEY).touch(mode=0o600)
        (secrets / FOLDER / KEY).write_text("a key for the benchmark alone")
        write_tree(tree, arguments.tunnels)
        fabric, _ = validate(load_tree(tree))
        with Lab.up(fabric, f"bench-{os.getpid()}", engine=engine) as lab:
            found = measure(Bench(lab, tree, SecretStore(secrets, {})), arguments.rounds)
    print(table(found, arguments.tunnels))


if __name__ == "__main__":
    main()
