"""`python -m bench.scale`: what `validate` and `preview` take for repositories of several sizes and shapes.

Each command is a process of its own, as in a CI job, and each repository is packed, as a clone is. What is
compared is the processor time of the process and its children, which does not count the work of others on
the machine, and the largest memory that a process held. Beside them is a floor of the same run: to read all
files from Git, parse them and compare the result with itself (`bench/floor.py`).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from git import Actor

from bench import fabric
from lab.repository import writable
from reconciler.model.errors import ExitCode

VALID: Final = (0, 2)
"""Exit codes of a command that has done its work. 2 is that of `--detailed-exitcode`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    seconds: float
    """Of the processor, in user and system mode, its children's included."""
    megabytes: float
    """The most memory that it held at a time (resident)."""


@dataclass(frozen=True, slots=True)
class Case:
    """A repository: what its first commit has, and what its second one changes."""

    name: str
    write: Callable[[Path], None]
    change: Callable[[Path], None]
    ends: int
    invalid: bool = False


def _fleet(routers: int, ends: int) -> Callable[[Path], None]:
    return lambda tree: fabric.write_fleet(tree, routers, ends)


def _default(tree: Path) -> None:
    (tree / "fleet.yaml").write_text(fabric.fleet_text(fabric.LIFETIME // 2))


def _few(routers: int, ends: int, count: int) -> Callable[[Path], None]:
    def change(tree: Path) -> None:
        for site in range(0, routers, 2 * routers // count):
            other = fabric.neighbours(site, routers, ends)[0]
            for end in ((site, other), (other, site)):
                (tree / fabric.end_file(*end)).write_text(fabric.end_text(*end, "aes-192"))

    return change


def _one_router(tunnels: int) -> Callable[[Path], None]:
    return lambda tree: fabric.write_tree(tree, tunnels)


def _tunnels(tunnels: int, count: int) -> Callable[[Path], None]:
    def change(tree: Path) -> None:
        for number in range(0, tunnels, tunnels // count):
            (tree / fabric.tunnel_file(number)).write_text(fabric.tunnel_text(number, "sha512"))

    return change


def _overlapping(tunnels: int) -> Callable[[Path], None]:
    def write(tree: Path) -> None:
        fabric.write_tree(tree, tunnels)
        for file in tree.glob("tunnels/*/*.yaml"):
            text = file.read_text()
            file.write_text(text.replace("    cidrs:\n", "    cidrs:\n      - 172.16.0.0/12\n"))

    return write


CASES: Final = {
    "default": Case("1,000 routers, all changed by a default", _fleet(1000, 10), _default, 10_000),
    "few": Case("4,000 routers, 20 ends changed", _fleet(4000, 10), _few(4000, 10, 20), 40_000),
    "one": Case("one router, 100 ends changed", _one_router(10_000), _tunnels(10_000, 100), 10_000),
    "overlap": Case(
        "one peer CIDR overlaps those of all", _overlapping(2000), lambda _: None, 2000, invalid=True
    ),
    "small": Case("3 routers, one end changed", _fleet(3, 2), _few(3, 2, 2), 6),
}


@contextmanager
def repository(case: Case) -> Iterator[Path]:
    """The folder of a desired state, packed, with one commit or two."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "desired_state"
        tree.mkdir()
        with writable(Path(folder)) as made:
            author = Actor("bench", "bench@localhost")
            for step in (case.write, case.change):
                step(tree)
                made.git.add("--all")
                made.index.commit("change", author=author, committer=author)
            made.git.repack("-adq")
        yield tree


def cost(words: Sequence[str], codes: Sequence[int] = VALID) -> Cost:
    """What a process of the interpreter takes. Raises SystemExit when it fails."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=errors, cwd=Path(__file__).parents[1]
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            errors.seek(0)
            raise SystemExit(errors.read().decode())
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def measure(case: Case, rounds: int) -> Iterator[tuple[str, list[Cost]]]:
    """Each command of a case with what it took in each round. They take turns."""
    with repository(case) as tree:
        commands = {
            "an interpreter that does nothing": ["-c", "pass"],
            "floor": ["-m", "bench.floor", str(tree)],
            "`validate`": ["-m", "reconciler", "validate", str(tree), "--rev", "HEAD"],
            "`preview`": ["-m", "reconciler", "preview", str(tree), "--base", "HEAD~1"],
        }
        if case.invalid:
            del commands["`preview`"]
        codes = (*VALID, ExitCode.INVALID) if case.invalid else VALID
        taken: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, words in commands.items():
                taken[name].append(cost(words, codes))
                print(f"  {case.name}, {name}: {taken[name][-1].seconds:.2f} s", file=sys.stderr)
    yield from taken.items()


def rows(case: Case, taken: dict[str, list[Cost]]) -> Iterator[str]:
    """The rows of a case: medians, and ratios of each round."""
    for name, costs in taken.items():
        ratios = [
            statistics.median(
                one.seconds / other.seconds for one, other in zip(costs, taken[floor], strict=True)
            )
            for floor in ("floor", "`validate`")
        ]
        seconds = statistics.median(one.seconds for one in costs)
        megabytes = statistics.median(one.megabytes for one in costs)
        yield (
            f"| {case.ends:,} ends: {case.name} | {name} | {seconds:.2f} s | {ratios[0]:.2f} x "
            f"| {ratios[1]:.2f} x | {megabytes:,.0f} MB | {megabytes * 1024 / case.ends:,.1f} kB |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(
        "| desired state | process | processor time, median | to the floor | to `validate` | memory "
        "| each end |"
        "\n|---|---|---|---|---|---|---|"
    )
    for name in arguments.cases:
        print("\n".join(rows(CASES[name], dict(measure(CASES[name], arguments.rounds)))), flush=True)


if __name__ == "__main__":
    main()
