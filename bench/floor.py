"""`python -m bench.floor TREE`: read every file of a revision from Git, parse it, and compare.

The least that a program can do which answers whether a desired state has changed. The parser is yaml-rs where
it is installed, else the C parser that tunnelwright has, of whose events nothing is made.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def parser() -> Callable[[bytes], Any]:
    """From the bytes of a file to what it says."""
    try:
        from yaml_rs import loads  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        from _ruamel_yaml import CParser  # type: ignore[import-not-found]  # noqa: PLC0415
        from ruamel.yaml.events import StreamEndEvent  # noqa: PLC0415

        def events(content: bytes) -> list[str]:
            get, found = CParser(content).get_event, []
            while type(event := get()) is not StreamEndEvent:
                found.append(getattr(event, "value", ""))
            return found

        return events
    return lambda content: loads(content.decode())


def read(tree: str) -> dict[str, bytes]:
    """The files of the last commit below a folder."""
    listing = subprocess.run(
        ["git", "-C", tree, "ls-tree", "-rz", "HEAD"], capture_output=True, check=True
    ).stdout
    entries = [entry.split(b"\t", 1) for entry in listing.split(b"\0") if entry]
    names = [head.split()[2] for head, _ in entries]
    answer = subprocess.run(
        ["git", "-C", tree, "cat-file", "--batch", "--buffer"],
        input=b"\n".join(names) + b"\n",
        capture_output=True,
        check=True,
    ).stdout
    found, at = {}, 0
    for _, name in entries:
        line = answer.index(b"\n", at)
        size = int(answer[at:line].split()[2])
        found[name.decode()] = answer[line + 1 : line + 1 + size]
        at = line + size + 2
    return found


def main() -> None:
    """Read, parse and compare. The parsed state is compared with an equal one: a revision without changes."""
    gc.disable()
    parse = parser()
    parsed = {name: parse(content) for name, content in read(sys.argv[1]).items()}
    other = dict(parsed)
    if parsed != other:
        raise SystemExit("a state differs from itself")


if __name__ == "__main__":
    main()
