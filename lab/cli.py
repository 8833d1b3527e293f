"""What `tunnelwright lab` takes: a lab of real routers, up and down, proven with packets, and a shell inside.

Registered through the entry-point group `tunnelwright.commands`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options

DEFAULT_NAME = "default"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `lab` with its own subcommands."""
    lab = subparsers.add_parser("lab", help="run real routers in containers, and prove tunnels with packets")
    lab.set_defaults(extra="lab")
    actions = lab.add_subparsers(dest="lab_command", metavar="ACTION", required=True)

    up = actions.add_parser("up", help="start the routers and hosts of a desired state, without tunnels")
    options.add_tree(up)
    _add_common(up)
    up.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="[ROUTER=]RELEASE",
        help="run a router, or all of them, on this Debian release and its strongSwan: trixie (6.0.1), "
        "bookworm (5.9.8) or forky (6.1.0)",
    )
    options.add_examples(
        up, "tunnelwright lab up --name first", "tunnelwright lab up --release router-b=bookworm"
    )
    up.set_defaults(run="lab.commands:run_up")

    verify = actions.add_parser("verify", help="prove every tunnel with captured packets (apply first)")
    options.add_tree(verify)
    _add_common(verify)
    verify.add_argument(
        "--target", action="append", default=[], metavar="TUNNEL", help="prove only this tunnel; repeatable"
    )
    verify.add_argument("--pcap", type=Path, metavar="DIR", help="keep the captures in this folder")
    verify.add_argument(
        "--no-interruption",
        action="store_true",
        help="leave out the negative control, which takes each tunnel down briefly",
    )
    options.add_examples(verify, "tunnelwright lab verify --name first --pcap captures")
    verify.set_defaults(run="lab.commands:run_verify")

    shell = actions.add_parser("shell", help="open a shell in a router, or in the host of a network")
    shell.add_argument("node", help="name of a router or of a network; 'wire' for the bridges between them")
    shell.add_argument(
        "--command",
        "-c",
        dest="text",
        metavar="TEXT",
        help="run this command instead of an interactive shell",
    )
    _add_name(shell)
    options.add_examples(
        shell,
        "tunnelwright lab shell router-a",
        "tunnelwright lab shell wire --command 'tcpdump -ni any esp'",
    )
    shell.set_defaults(run="lab.commands:run_shell")

    power = actions.add_parser("power-loss", help="kill a router, which then boots from its files alone")
    power.add_argument("router", help="name of the router")
    options.add_tree(power)
    _add_common(power)
    options.add_examples(power, "tunnelwright lab power-loss router-a")
    power.set_defaults(run="lab.commands:run_power_loss")

    down = actions.add_parser("down", help="remove the lab, even if it is incomplete")
    _add_common(down)
    options.add_examples(down, "tunnelwright lab down --name first")
    down.set_defaults(run="lab.commands:run_down")


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--name", default=DEFAULT_NAME, help="work on the lab of this name (default: %(default)s)"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    options.add_output(parser)
