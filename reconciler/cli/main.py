"""`tunnelwright`: parses arguments, runs one command, turns errors into sentences and exit codes.

What is not needed by every command is named as text, `module:function`, and imported here, once it is
needed: that is why `--help` starts at once, and why other modules import inside a function only where there
is an alternative, or where a library is slow and seldom needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NoReturn

from reconciler.cli import arguments as commands
from reconciler.cli import collector
from reconciler.cli.output import document, explain, say, show_log
from reconciler.cli.streams import program
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.extras import require
from reconciler.model.isolation import foreign
from reconciler.model.quoting import plain_words
from reconciler.routers.links import Links

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    _Subparsers = argparse._SubParsersAction


class _Commands(_Subparsers):
    """Commands whose own help begins with what the list of commands says of them."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse's own
        """Add one."""
        summary = str(options.get("help", ""))
        options.setdefault("description", f"{summary[:1].upper()}{summary[1:]}.")
        return super().add_parser(name, **options)


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are an error like any other: 2 is what `--detailed-exitcode` says of changes."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(**options)
        self.register("action", "parsers", _Commands)

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong."""
        self.print_usage(sys.stderr)
        # A key that was pasted in the wrong place is an argument like any other.
        say(f"error: {plain_words(message)}")
        self.exit(ExitCode.ERROR)


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Our own commands; where `command` is none of them, those of extensions (the lab) as well."""
    parser: argparse.ArgumentParser = _Parser(
        prog="tunnelwright",
        description="IPsec tunnels from Git: plan, apply and prove them on strongSwan routers.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.register(subparsers)
    if command not in subparsers.choices:
        resolve_name("reconciler.cli.installed:register")(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code (docs/reference/exit-codes.md)."""
    words = sys.argv[1:] if argv is None else argv
    show_log()
    parser = build_parser(next((word for word in words if not word.startswith("-")), None))
    arguments = parser.parse_args(words)
    if arguments.version:
        document(f"tunnelwright {resolve_name('reconciler.cli.installed:version')()}\n")
        return ExitCode.OK
    if arguments.command is None:
        parser.print_help()
        return ExitCode.ERROR
    try:
        if "extra" in arguments:
            require(arguments.extra)
        # What a command reaches routers by is kept until it ends.
        with Links() as arguments.links:
            return int(resolve_name(arguments.run)(arguments))
    except TunnelwrightError as error:
        explain(error, words)
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the command is a unit of work like any other
        explain(foreign("command", arguments.command, error), words)
        return ExitCode.ERROR


def entry() -> None:
    """The console script."""
    collector.pause()
    program(main)
