"""`python -m bench.preview`: how long `tunnelwright preview` takes in a large repository, beside `validate`.

One commit changes some of the tunnels. Each run is a process of its own, as in a CI job; no router is asked.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from git import Actor

from bench.fabric import tunnel_file, tunnel_text, write_tree
from lab.repository import writable


def write_repository(folder: Path, tunnels: int, changed: int) -> Path:
    """A repository whose last commit changes one field of some tunnels; the folder of the desired state."""
    tree = folder / "desired_state"
    tree.mkdir()
    write_tree(tree, tunnels)
    with writable(folder) as repository:
        author = Actor("bench", "bench@localhost")
        repository.git.add("--all")
        repository.index.commit("all", author=author, committer=author)
        for number in range(0, tunnels, tunnels // changed):
            (tree / tunnel_file(number)).write_text(tunnel_text(number, "sha512"))
        repository.git.add("--all")
        repository.index.commit("some", author=author, committer=author)
    return tree


def seconds(*words: str) -> float:
    """How long one command takes, with the interpreter's start."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", *words], capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    print(f"  {words[0]}: {taken:.2f} s", file=sys.stderr)
    return taken


def main() -> None:
    """Print the table: medians, and what a preview takes beside reading and checking one revision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunnels", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = str(write_repository(Path(folder), arguments.tunnels, arguments.changed))
        commands = {
            "`validate --rev HEAD`": ("validate", tree, "--rev", "HEAD"),
            f"`preview`, {arguments.changed} changed": ("preview", tree, "--base", "HEAD~1"),
        }
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, words in commands.items():
                found[name].append(seconds(*words))
    print(f"| {arguments.tunnels:,} tunnels | median | beside `validate` |\n|---|---|---|")
    first, *_ = found.values()
    for name, taken in found.items():
        # Within each round, so that a slow moment hits both.
        ratio = statistics.median(one / other for one, other in zip(taken, first, strict=True))
        beside = "" if taken is first else f"{ratio:.2f} x"
        print(f"| {name} | {statistics.median(taken):.2f} s | {beside} |")


if __name__ == "__main__":
    main()
