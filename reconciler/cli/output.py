"""Where results go: styled lines to a person, JSON lines to a program; progress to standard error."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from reconciler.report.line import Line


class Output:
    """Results of one command. In JSON mode lines for people are not written at all."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.json: bool = arguments.json
        self.colour = not (arguments.no_color or os.environ.get("NO_COLOR"))
        if self.json:
            from importlib.metadata import version  # noqa: PLC0415

            from reconciler.report.json_lines import version_line  # noqa: PLC0415

            self.objects([version_line(version("tunnelwright"))])

    def lines(self, lines: Iterable[Line], stream: TextIO | None = None) -> None:
        """Write lines for a person, coloured on a terminal alone."""
        if self.json:
            return
        target = stream or sys.stdout
        if not (self.colour and target.isatty()):
            target.writelines(f"{line.text}\n" for line in lines)
            return
        from rich.console import Console  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        console = Console(file=target, highlight=False, soft_wrap=True)
        for line in lines:
            console.print(Text(line.text, style=line.style))

    def objects(self, objects: Iterable[dict[str, Any]]) -> None:
        """Write objects for a program."""
        if not self.json:
            return
        from reconciler.report.json_lines import dump  # noqa: PLC0415

        for text in dump(objects):
            sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
