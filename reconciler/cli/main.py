"""`tunnelwright`: parses arguments, runs one command, turns errors into sentences and exit codes.

Whatever a command needs is imported when it runs, so that `--help` and `validate` start at once.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import NoReturn

from reconciler.cli import commands
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.unit import foreign


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are an error like any other: 2 is what `--detailed-exitcode` says of changes."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.ERROR, f"error: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    """All commands, those of installed extensions (the lab) included."""
    parser: argparse.ArgumentParser = _Parser(
        prog="tunnelwright",
        description="IPsec tunnels from Git: plan, apply and prove them on strongSwan routers.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.register(subparsers)
    for extension in _extensions():
        extension.load()(subparsers)
    return parser


def _extensions() -> list[EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415

    return sorted(entry_points(group="tunnelwright.commands"), key=lambda entry: entry.name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code (docs/reference/exit-codes.md)."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        from importlib.metadata import version  # noqa: PLC0415

        sys.stdout.write(f"tunnelwright {version('tunnelwright')}\n")
        return ExitCode.OK
    if arguments.command is None:
        parser.print_help()
        return ExitCode.ERROR
    try:
        return int(arguments.run(arguments))
    except TunnelwrightError as error:
        failure = error
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - told with its keys redacted, which the interpreter does not do
        failure = foreign("command", str(arguments.command), error)
    _explain(failure)
    return failure.exit_code


def _explain(error: TunnelwrightError) -> None:
    where = " ".join(part for part in (error.router, error.operation) if part)
    sys.stderr.write(f"error: {f'{where}: ' if where else ''}{error.message}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")


def entry() -> None:
    """The console script."""
    # One command lives for seconds and keeps nearly all that it makes; looking through tens of thousands
    # of documents for cycles again and again costs more than half of its time.
    gc.disable()
    # A terminal or a pipe that has no UTF-8 shows `\u2713` in place of a tick; no run ends for it.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
