"""The exit codes of each command, as the reference lists them."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.main import build_parser
from reconciler.model.errors import ExitCode

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "exit-codes.md"
FROM_CALLS = {
    "load_fabric": ExitCode.INVALID,
    "service_settings": ExitCode.INVALID,
    "open_history": ExitCode.INVALID,
    "import_connections": ExitCode.UNREACHABLE,
    "converge": ExitCode.UNSAFE,
}
"""Functions whose errors have an exit code of their own."""


def commands(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, str]]:
    """Each command that does something, and the function that does it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                whole = f"{path} {name}".strip()
                if "run" in below._defaults:
                    yield whole, below._defaults["run"]
                yield from commands(below, whole)


COMMANDS = dict(commands(build_parser()))


def documented() -> dict[str, tuple[set[int], str]]:
    """The codes of each command, and the row that lists them."""
    rows = re.findall(
        r"^\| (`[a-z].*?) \| (.*) \|$", PAGE.read_text().partition("By command:")[2], re.MULTILINE
    )
    return {
        command: (set(map(int, re.findall(r"(?<![\w-])\d+(?!\w)", said))), said)
        for names, said in rows
        for command in re.findall(r"`([^`]+)`", names)
    }


def used(function: str) -> set[int]:
    """The codes that stand in the function of a command and in those that it calls in its module."""
    module, _, name = function.partition(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    functions = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef)}
    found: set[int] = set()
    todo, seen = [name], set()
    while todo:
        one = todo.pop()
        if one not in functions or one in seen:
            continue
        seen.add(one)
        for node in ast.walk(functions[one]):
            if isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name) and node.value.id == "ExitCode":
                    found.add(ExitCode[node.attr])
                todo.append(node.attr)
                found |= {FROM_CALLS[node.attr]} if node.attr in FROM_CALLS else set()
            elif isinstance(node, ast.Name):
                todo.append(node.id)
                found |= {FROM_CALLS[node.id]} if node.id in FROM_CALLS else set()
    return found


def test_the_reference_lists_every_command() -> None:
    listed = set(documented())
    # Of `reconcile` each way to run it has a row.
    assert {" ".join(word for word in name.split() if not word.startswith("-")) for name in listed} == set(
        COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_lists_the_codes_that_a_command_ends_with(command: str) -> None:
    codes = set().union(
        *(found for name, (found, _) in documented().items() if name.split(" --")[0] == command)
    )
    wanted = used(COMMANDS[command])
    if command == "lab shell":
        assert "that of the shell" in documented()[command][1]
    else:
        assert codes >= wanted | {ExitCode.OK, ExitCode.ERROR}


def test_codes_of_the_table_are_those_of_the_program() -> None:
    every = set().union(*(found for found, _ in documented().values()))
    assert every == set(ExitCode)
