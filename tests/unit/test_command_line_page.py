"""The reference of the command line has the commands, arguments and choices of the parser, and no others."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.cli.main import build_parser

PAGE = (Path(__file__).parents[2] / "docs/reference/command-line.md").read_text(encoding="utf-8")
OPTION = r"(?<![\w-])--?[a-z][a-z-]*"
CODE = re.compile(r"`([^`]+)`")


def leaves(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, list[argparse.Action]]]:
    """Each command that does something, with its arguments."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield path, [action for action in parser._actions if action.dest != "help"]
    for group in groups:
        for name, below in group.choices.items():
            yield from leaves(below, f"{path} {name}".strip())


COMMANDS = dict(leaves(build_parser()))


def names_of(action: argparse.Action) -> set[str]:
    """What the page may call an argument: one of its options, or what it is called in the usage."""
    return set(action.option_strings) or {str(action.metavar or action.dest)}


def arguments_of(*commands: str) -> set[str]:
    """All names of all arguments of these commands."""
    return {name for command in commands for action in COMMANDS[command] for name in names_of(action)}


def commands_in(text: str) -> set[str]:
    """Those that stand in code: `secret` means all of its actions, `preview --live` means `preview`."""
    names = {span.partition(" --")[0] for span in CODE.findall(text)}
    return {command for command in COMMANDS if {command, command.partition(" ")[0]} & names}


@dataclass(frozen=True)
class Section:
    """What the page says of the commands of one heading: synopses without the name, and the text."""

    synopses: dict[str, str]
    text: str

    def in_tables(self) -> set[str]:
        """The options that its tables describe."""
        cells = re.findall(r"^\| (`.*?) \|", self.text, re.MULTILINE)
        return set(re.findall(OPTION, " ".join(cells)))


def _section(heading: str, synopses: str, text: str) -> Section:
    found = dict.fromkeys(commands_in(f"`{heading}`"), "")
    for synopsis in CODE.findall(synopses):
        _, name, arguments = re.split(r"^tunnelwright ((?:[a-z-]+ )?[a-z|-]+) ", " ".join(synopsis.split()))
        group, _, actions = name.rpartition(" ")
        for action in actions.split("|"):
            command = f"{group} {action}".strip()
            found[command] = f"{found.get(command, '')} {arguments}"
    return Section(found, text)


def sections() -> list[Section]:
    """Those that begin with a synopsis."""
    parts = (part.split("\n\n", 2) for part in PAGE.split("\n## ")[1:])
    return [
        _section(heading, synopses, "".join(text))
        for heading, synopses, *text in parts
        if synopses.startswith("`tunnelwright ")
    ]


SECTIONS = sections()


def shared() -> list[tuple[set[str], set[str], str]]:
    """The rows of the table of shared arguments: the names, the commands that take it, the whole row."""
    table = PAGE.partition("\n## Arguments that commands share\n")[2].partition("\n#")[0]
    rows: list[tuple[set[str], set[str], str]] = []
    for row in re.findall(r"^\| `.*", table, re.MULTILINE):
        named, said, _ = row.strip("| ").split(" | ", 2)
        commands = commands_in(said)
        if said.startswith("all "):
            commands = (rows[0][1] if "with `tree`" in said else set(COMMANDS)) - commands
        rows.append(({span.split()[0] for span in CODE.findall(named)}, commands, row))
    return rows


SHARED = shared()


def section_of(command: str) -> Section:
    """The one that describes a command."""
    (found,) = (section for section in SECTIONS if command in section.synopses)
    return found


def test_there_is_a_row_and_a_section_for_each_command_and_no_other() -> None:
    first = re.findall(r"^\| (\[`.*?) \| ", PAGE.partition("\n## ")[0], re.MULTILINE)
    named = [name for row in first for name in CODE.findall(row)]
    assert [name for name in named if not commands_in(f"`{name}`")] == []
    assert set().union(*(commands_in(f"`{name}`") for name in named)) == set(COMMANDS)
    assert set().union(*(section.synopses for section in SECTIONS)) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_synopsis_has_the_arguments_of_its_command(command: str) -> None:
    synopsis = section_of(command).synopses[command]
    named = set(re.findall(OPTION, synopsis))
    # The arguments by position are what is left without the options and their values.
    positions = re.sub(rf"\[shared arguments\]|{OPTION}(?: \[?[A-Z][A-Z/=\[\]]*)?", "", synopsis)
    named |= set(re.findall(r"[A-Za-z]+", positions))
    if "[shared arguments]" in synopsis:
        named |= {name for names, commands, _ in SHARED if command in commands for name in names}
    assert named - arguments_of(command) == set()
    assert [action.dest for action in COMMANDS[command] if not names_of(action) & named] == []


@pytest.mark.parametrize("names, commands", [row[:2] for row in SHARED], ids=min)
def test_a_shared_argument_has_the_commands_that_take_it(names: set[str], commands: set[str]) -> None:
    taking = {command for command in COMMANDS if names & arguments_of(command)}
    assert commands - taking == set()
    assert [name for name in taking - commands if not names & section_of(name).in_tables()] == []


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: min(section.synopses))
def test_a_table_describes_no_option_that_its_commands_lack(section: Section) -> None:
    assert section.in_tables() - arguments_of(*section.synopses) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_is_described_with_its_choices(command: str) -> None:
    section = section_of(command)
    described = set(re.findall(OPTION, " ".join(CODE.findall(section.text))))
    for action in COMMANDS[command]:
        rows = [row for names, commands, row in SHARED if command in commands and names & names_of(action)]
        assert rows or described & names_of(action) or not action.option_strings, action.dest
        places = set(CODE.findall(" ".join([*rows, section.text])))
        assert [choice for choice in action.choices or () if choice not in places] == [], action.dest
