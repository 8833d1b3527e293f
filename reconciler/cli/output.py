"""Where results go: styled lines to a person, JSON lines to a program; progress to standard error.

Nothing else writes to the standard streams, so that nothing is written that no encoder has seen.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.cli.given import without_given
from reconciler.model.secret import redacted
from reconciler.model.visible import visible
from reconciler.report.json.lines import dump, version_line
from reconciler.report.line import Line, joined

if TYPE_CHECKING:
    from reconciler.model.errors import TunnelwrightError


class Output:
    """Results of one command. In JSON mode lines for people are not written at all."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.json: bool = arguments.json
        self.colour = not (arguments.no_color or os.environ.get("NO_COLOR"))
        if self.json:
            self.objects([version_line(resolve_name("reconciler.cli.installed:version")())])

    def lines(self, lines: Iterable[Line], stream: TextIO | None = None) -> None:
        """Write lines for a person, coloured on a terminal alone."""
        if self.json:
            return
        target = stream or sys.stdout
        if not (self.colour and target.isatty()):
            target.write(joined(lines))
        else:
            from rich.console import Console  # noqa: PLC0415 - 60 ms that only a terminal needs
            from rich.text import Text  # noqa: PLC0415

            console = Console(file=target, highlight=False, soft_wrap=True)
            for line in lines:
                console.print(Text(line.text, style=line.style))
        target.flush()

    def clear(self) -> None:
        """Let what follows begin at the top of an empty terminal; nothing for anything else."""
        if sys.stdout.isatty() and not self.json:
            from rich.console import Console  # noqa: PLC0415 - as above

            Console().clear()

    def objects(self, objects: Iterable[dict[str, Any]]) -> None:
        """Write objects for a program."""
        if not self.json:
            return
        document("".join(f"{text}\n" for text in dump(objects)))


def document(text: str) -> None:
    """Write a whole text to standard output; its writer has encoded what is foreign in it."""
    sys.stdout.write(text)
    sys.stdout.flush()


def say(text: str) -> None:
    """One line to standard error."""
    sys.stderr.write(f"{visible(text)}\n")
    sys.stderr.flush()


def note(text: str) -> None:
    """What was done, or left, besides what was asked for; to standard error."""
    say(f"note: {text}")


def ask(question: str) -> str:
    """The line that answers a question; empty when standard input is no terminal."""
    if not sys.stdin.isatty():
        return ""
    sys.stderr.write(visible(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def explain(error: TunnelwrightError, given: Sequence[str] = ()) -> None:
    """What went wrong, and what to do about it. `given` are the arguments of the command."""
    where = " ".join(part for part in (error.router, error.operation) if part)
    say(without_given(f"error: {f'{where}: ' if where else ''}{error.message}", given))
    if error.hint:
        say(without_given(f"hint: {error.hint}", given))


class _Said(logging.Formatter):
    """What a library or an unforeseen error has to log: line by line, each of them visible."""

    def format(self, record: logging.LogRecord) -> str:
        """The level before the first line, a blank before all others."""
        first, *rest = redacted(super().format(record)).splitlines() or [""]
        lines = [f"{record.levelname.lower()}: {first}", *(f"  {line}" for line in rest)]
        return "\n".join(map(visible, lines))


def show_log() -> None:
    """Let warnings that no handler takes go to standard error."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Said())
