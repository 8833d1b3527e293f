"""`tunnelwright secret`: keys in the repository, encrypted by age."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import options
from reconciler.model.errors import ExitCode, SecretUnavailable

if TYPE_CHECKING:
    from reconciler.cli.output import Output
    from reconciler.model.secret import Secret
    from reconciler.secrets.key_files import KeyFiles


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its own."""
    parser = subparsers.add_parser("secret", help="keys in the repository, encrypted by age")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    action = actions.add_parser("init", help="make an identity, and add it to the recipients")
    _shared(action, _init)

    action = actions.add_parser("set", help="encrypt a key that standard input gives, into a new file")
    action.add_argument("name", help="the file, as documents refer to it: keys/a--b.age")
    action.add_argument("--random", action="store_true", help="encrypt a new random key instead")
    action.add_argument("--replace", action="store_true", help="put it in the place of the key that is there")
    _shared(action, _set)

    action = actions.add_parser("rotate", help="put a new random key in the place of one")
    action.add_argument("names", nargs="+", metavar="name", help="the files, as documents refer to them")
    _shared(action, _rotate)

    action = actions.add_parser("rekey", help="encrypt every key to the present recipients")
    _shared(action, _rekey)


def _shared(parser: argparse.ArgumentParser, action: object) -> None:
    parser.add_argument(
        "--tree",
        type=Path,
        default=Path("desired_state"),
        metavar="DIR",
        help="folder of the desired state (%(default)s)",
    )
    options.add_secrets(parser)
    options.add_output(parser)
    parser.set_defaults(run=run, perform=action)


def run(arguments: argparse.Namespace) -> int:
    """Change files of the working tree; a commit is the user's."""
    from reconciler.cli.output import Output  # noqa: PLC0415
    from reconciler.cli.workspace import secret_store  # noqa: PLC0415
    from reconciler.secrets.key_files import KeyFiles  # noqa: PLC0415

    if not arguments.tree.is_dir():
        raise SecretUnavailable(f"{arguments.tree} is not a folder", hint="--tree names the desired state")
    files = KeyFiles(arguments.tree, secret_store(arguments).identity)
    arguments.perform(files, arguments, Output(arguments))
    return ExitCode.OK


def _init(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    from reconciler.secrets.age import RECIPIENTS  # noqa: PLC0415

    public, new = files.init()
    what = "a new identity, for you alone; without it no key can be opened" if new else "the identity"
    _say(output, f"{files.identity}: {what}")
    for key in public:
        _say(output, f"{arguments.tree / RECIPIENTS}: {key}")
    if not public:
        _say(output, f"it is an SSH key: put its public half into {arguments.tree / RECIPIENTS} yourself")
    output.objects([{"type": "secret", "action": "init", "recipients": public, "created": new}])


def _set(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    from reconciler.secrets.key_files import random_key  # noqa: PLC0415

    if not arguments.replace:
        # Before anybody types a key.
        files.check_new(arguments.name)
    key = random_key() if arguments.random else _given()
    count = files.set(arguments.name, key, replace=arguments.replace)
    _say(output, f"{arguments.tree / arguments.name}: encrypted, for {count} to open")
    output.objects([{"type": "secret", "action": "set", "file": arguments.name, "recipients": count}])


def _rotate(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    for name in arguments.names:
        files.rotate(name)
        _say(output, f"{arguments.tree / name}: a new key")
        output.objects([{"type": "secret", "action": "rotate", "file": name}])


def _rekey(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    for name in files.rekey():
        _say(output, f"{arguments.tree / name}: encrypted anew")
        output.objects([{"type": "secret", "action": "rekey", "file": name}])


def _given() -> Secret:
    """The key that standard input gives: asked for without an echo on a terminal, else all of it, less one
    line end. It is no argument: whoever lists processes could read it there."""
    from getpass import getpass  # noqa: PLC0415

    from reconciler.model.bounds import KEY_BYTES  # noqa: PLC0415
    from reconciler.model.secret import Secret  # noqa: PLC0415

    if sys.stdin.isatty():
        content = getpass("Key (not shown): ").encode()
        if content != getpass("Once more: ").encode():
            raise SecretUnavailable("the two are not the same; nothing was written")
    else:
        # One byte more than a key can have, with its line end: that it is too long is seen then.
        given = sys.stdin.buffer.read(KEY_BYTES + len(b"\r\n") + 1)
        content = given.removesuffix(b"\n").removesuffix(b"\r")
    if not content:
        raise SecretUnavailable("the key is empty", hint="give it on standard input, or say --random")
    return Secret(content)


def _say(output: Output, text: str) -> None:
    from reconciler.report.line import Line  # noqa: PLC0415

    output.lines([Line(text)])
