"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from reconciler.model.labels import LabelSelector, is_selector, parse_labels
from schemas.confirm import MAX_CONFIRM, MIN_CONFIRM

_UNITS = {"s": 1, "m": 60, "h": 3600}


def add_folder(parser: argparse.ArgumentParser, otherwise: str = "") -> None:
    """Where the desired state is; `otherwise` says what else may stand there."""
    parser.add_argument(
        "tree",
        nargs="?",
        type=Path,
        default=Path("desired_state"),
        help=f"folder of the desired state (default: %(default)s){otherwise}",
    )


def add_tree(parser: argparse.ArgumentParser, otherwise: str = "") -> None:
    """Where the desired state is: a folder, in the working tree or in a revision of its repository."""
    add_folder(parser, otherwise)
    parser.add_argument("--rev", help="read this Git revision of the folder, without checking it out")


def add_source(parser: argparse.ArgumentParser) -> None:
    """Where the desired state is: a folder as for `add_tree`, or standard input."""
    add_tree(parser, ", or `-` for documents from standard input")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Where the reconciler's own settings are."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read the settings of the reconciler from FILE; TUNNELWRIGHT_… variables override single values",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """How results are written."""
    parser.add_argument("--json", action="store_true", help="print one JSON object per line, for programs")
    parser.add_argument(
        "--no-color", action="store_true", help="print without colour (NO_COLOR does the same)"
    )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Whether a plan is shown as a whole."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show every resource and step, also where many are of one kind",
    )


def add_secrets(parser: argparse.ArgumentParser) -> None:
    """Where the controller keeps what is its own."""
    parser.add_argument(
        "--secrets",
        type=Path,
        metavar="DIR",
        help="use this folder of the controller, with its identity and the key files in `psk` (default: "
        "TUNNELWRIGHT_SECRETS or ~/.config/tunnelwright/secrets)",
    )


def add_lab(parser: argparse.ArgumentParser) -> None:
    """Which routers are meant."""
    parser.add_argument("--lab", metavar="NAME", help="use the routers of this lab instead of the real ones")


def add_routers(parser: argparse.ArgumentParser) -> None:
    """How routers and keys are reached."""
    add_lab(parser)
    add_secrets(parser)
    parser.add_argument("--stand-in-keys", action="store_true", help="use generated dummy keys (lab only)")
    parser.add_argument(
        "--parallelism",
        type=_positive,
        default=10,
        metavar="N",
        help="work on this many routers at the same time (default: %(default)s)",
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which part of the fabric is meant."""
    add_targets(parser, "work only on this router, tunnel, connection or resource")
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        type=_name_or_labels,
        metavar="NAME",
        help="leave out this router, tunnel, connection or resource, or what LABELS select; repeatable",
    )


def add_targets(parser: argparse.ArgumentParser, summary: str) -> None:
    """Names and label selectors in one list: `target`."""
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        type=_name_or_labels,
        metavar="NAME",
        help=f"{summary}, or what LABELS select; repeatable",
    )
    _add_selector(parser, "target")


def add_tunnel(parser: argparse.ArgumentParser) -> None:
    """Which tunnels are meant: one by its name, or several by labels."""
    parser.add_argument(
        "tunnel",
        nargs="?",
        help="name of the tunnel: of either end of a managed pair, or of its connection (without -l)",
    )
    _add_selector(parser, "selector")


def add_selector(parser: argparse._ActionsContainer) -> None:
    """Label selectors beside names that are arguments: `selector`."""
    _add_selector(parser, "selector")


def _add_selector(parser: argparse._ActionsContainer, place: str) -> None:
    parser.add_argument(
        "-l",
        "--selector",
        action="append",
        default=[],
        dest=place,
        type=_labels,
        metavar="LABELS",
        help="select routers and tunnels by labels, as kubectl does: site=berlin,tier!=lab; repeatable",
    )


def _labels(text: str) -> LabelSelector:
    try:
        return parse_labels(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a label selector, as of `kubectl get -l`") from None


def _name_or_labels(text: str) -> str | LabelSelector:
    return _labels(text) if is_selector(text) else text


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Which limits are set aside, once."""
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        choices=("deletions", "windows", "budget", "management", "ikev1"),
        help="set this limit aside for this run; repeatable",
    )


def add_applying(parser: argparse.ArgumentParser) -> None:
    """How an apply goes about it."""
    parser.add_argument("--auto-approve", action="store_true", help="do not ask for approval")
    parser.add_argument(
        "--wait",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="wait this long for new tunnels to come up (default: %(default)g)",
    )
    parser.add_argument(
        "--lock-timeout",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="wait this long for another run to release a router (default: %(default)g)",
    )

    parser.add_argument(
        "--confirm",
        type=_duration,
        metavar="TIME",
        help="let each router that is changed go back by itself after this time (90s, 5m, 1h), unless the "
        "change was proven and confirmed before",
    )


def add_examples(parser: argparse.ArgumentParser, *lines: str) -> None:
    """What a user may type, at the end of the command's help: one or two whole command lines."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(
        [f"{'example' if len(lines) == 1 else 'examples'}:", *(f"  {line}" for line in lines)]
    )


def _duration(text: str) -> int:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    # No time of six digits is short enough.
    seconds = int(number) * _UNITS[unit] if re.fullmatch("[0-9]{1,5}", number) else 0
    if MIN_CONFIRM <= seconds <= MAX_CONFIRM:
        return seconds
    raise argparse.ArgumentTypeError(f"must be a time from {MIN_CONFIRM}s to {MAX_CONFIRM // 3600}h")


def seconds(text: str) -> float:
    """The value of an option that is a time. Raises ValueError, and ArgumentTypeError."""
    number = float(text)
    # No comparison with NaN ever ends a wait.
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError("must be a number of seconds, 0 or more")
    return number


def pause(text: str) -> float:
    """The value of an option that is a time of a second or more. Raises ValueError, and ArgumentTypeError."""
    number = seconds(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1 second")
    return number


def port(text: str) -> int:
    """The value of an option that is a port. Raises ValueError, and ArgumentTypeError."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
