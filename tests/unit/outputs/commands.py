"""Commands that run in this process, to a pipe or to a terminal, and what they have written."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass

import pytest

from reconciler.cli.main import main
from tests.unit.outputs.nasty import SEEN
from tests.unit.outputs.parsing import check_json_lines, check_lines, check_terminal


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


@dataclass(slots=True)
class Said:
    """What a command has written."""

    code: int
    out: str
    err: str

    @property
    def both(self) -> str:
        return self.out + self.err


@dataclass(slots=True)
class Runner:
    """Runs commands in this process, to a pipe or to a terminal."""

    patch: pytest.MonkeyPatch

    def run(self, *words: str, terminal: bool = False) -> Said:
        kind: type[io.StringIO] = Terminal if terminal else io.StringIO
        with self.patch.context() as patch:
            patch.setattr(sys, "stdout", out := kind())
            patch.setattr(sys, "stderr", err := kind())
            try:
                code = main(words)
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    def check(self, *words: str, seen: bool = True, as_json: bool = True) -> None:
        """To a pipe, to a terminal and as JSON: each keeps its structure, nothing is unforeseen."""
        for terminal in (False, True):
            said = self.run(*words, terminal=terminal)
            (check_terminal if terminal else check_lines)(said.out)
            (check_terminal if terminal else check_lines)(said.err)
            assert "unforeseen" not in said.both, said.err
            assert not seen or SEEN in said.both, said.both
        if as_json:
            said = self.run(*words, "--json")
            check_lines(said.err)
            check_json_lines(said.out)
            assert "unforeseen" not in said.both
