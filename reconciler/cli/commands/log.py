"""`tunnelwright log`: what charon says about tunnels, at both of their ends."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress

from reconciler.cli import access
from reconciler.cli.output import Output, explain
from reconciler.cli.streams import output_lost
from reconciler.cli.tunnels import named_tunnels
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.observe.tunnel_log import Words
from reconciler.operations.log import follow_tunnels
from reconciler.report.json.tunnel import words_object
from reconciler.report.tunnel_text import words_line
from reconciler.routers.fleet import Fleet


def run(arguments: argparse.Namespace) -> int:
    """Print each line as it comes; ends with UNREACHABLE when a router could not be read to the end."""
    output, words = Output(arguments), named_tunnels(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output)
    fleet = Fleet(access.connector(fabric, arguments.lab, arguments.links))

    def say(said: Words) -> None:
        fields = (said.at, said.router, said.tunnel, said.text)
        output.lines([words_line(*fields)])
        output.objects([words_object(*fields)])

    ends = float("inf") if arguments.follow else time.monotonic() + arguments.seconds

    def over() -> bool:
        return output_lost() or time.monotonic() >= ends

    # This is how a person ends it.
    with suppress(KeyboardInterrupt):
        failed = follow_tunnels(fabric, fleet, words, say, over)
        for error in failed.values():
            explain(error)
        return ExitCode.UNREACHABLE if failed else ExitCode.OK
    return ExitCode.OK
