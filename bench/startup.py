"""`python -m bench.startup`: what `tunnelwright --help` takes beside an interpreter that does nothing.

The commands take turns in one run. What is compared is the processor time of each process, as the kernel
counts it: unlike the clock, it does not count the work of others on the machine. `--tree` adds another
working tree of this repository, such as one of an earlier commit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Final

HERE: Final = Path(__file__).parents[1]
FLOOR: Final = "python -c pass"


def commands(trees: Sequence[Path]) -> dict[str, tuple[Path, list[str]]]:
    """What is measured: in which folder, with which arguments of the interpreter."""
    found = {FLOOR: (HERE, ["-c", "pass"]), 'python -c "import argparse"': (HERE, ["-c", "import argparse"])}
    for tree in (HERE, *trees):
        place = "" if tree == HERE else f" ({tree.name})"
        found[f"tunnelwright --help{place}"] = tree, ["-m", "reconciler", "--help"]
        found[f"tunnelwright plan --help{place}"] = tree, ["-m", "reconciler", "plan", "--help"]
    return found


def processor_seconds(folder: Path, words: Sequence[str]) -> float:
    """The processor time of one process of the interpreter, user and system, in seconds.

    Raises SystemExit when it fails.
    """
    before = getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(folder),
    )
    after = getrusage(RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _environment(folder: Path) -> Mapping[str, str]:
    """Modules of that tree come before those that are installed."""
    return {**os.environ, "PYTHONPATH": str(folder)}


def table(taken: Mapping[str, Sequence[float]]) -> list[str]:
    """The rows of the table: the median of each command, and its ratio to the floor of the same round."""
    rows = [
        "| process | processor time, median | relative to an interpreter that does nothing |",
        "|---|---|---|",
    ]
    for name, times in taken.items():
        ratio = statistics.median(own / floor for own, floor in zip(times, taken[FLOOR], strict=True))
        relative = "" if name == FLOOR else f"{ratio:.2f} x"
        rows.append(f"| `{name}` | {statistics.median(times) * 1000:.0f} ms | {relative} |")
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tree", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    measured = commands([tree.resolve() for tree in arguments.tree])
    for where in measured.values():
        processor_seconds(*where)  # The first run compiles modules.
    taken: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(arguments.rounds):
        for name, where in measured.items():
            taken[name].append(processor_seconds(*where))
    print("\n".join(table(taken)))


if __name__ == "__main__":
    main()
