"""`tunnelwright secret`: keys in the repository, encrypted by age."""

from __future__ import annotations

import argparse
import sys
from getpass import getpass
from pathlib import Path

from reconciler.cli import access
from reconciler.cli.output import Output
from reconciler.load import load_tree
from reconciler.model.bounds import KEY_BYTES
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.errors import ExitCode, SecretUnavailable
from reconciler.model.listing import counted
from reconciler.model.secret import Secret
from reconciler.report.json.results import identity_object, key_file_object
from reconciler.report.line import Line
from reconciler.secrets.age import RECIPIENTS
from reconciler.secrets.key_files import KeyFiles, random_key
from reconciler.validate.connections import expanded_catalog
from reconciler.validate.keys import missing_keys


def run(arguments: argparse.Namespace) -> int:
    """Change files of the working tree; a commit is the user's."""
    if not arguments.tree.is_dir():
        raise SecretUnavailable(
            f"{arguments.tree} is not a folder", hint="name the folder of the desired state with --tree"
        )
    files = KeyFiles(arguments.tree, access.secret_store(arguments).identity)
    _ACTIONS[arguments.action](files, arguments, Output(arguments))
    return ExitCode.OK


def _init(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    done = files.init()
    public = done.recipients
    what = (
        "a new identity, readable only by you; without it no key can be decrypted"
        if done.created
        else "the identity"
    )
    _say(output, f"{files.identity}: {what}")
    for key in public:
        _say(output, f"{arguments.tree / RECIPIENTS}: {key}")
    if not public:
        _say(
            output,
            f"the identity is an SSH key: add its public key to {arguments.tree / RECIPIENTS} yourself",
        )
    if done.sealed_before:
        folder = "" if arguments.tree == Path("desired_state") else f" --tree {arguments.tree}"
        _say(
            output,
            f"this identity cannot decrypt {counted(len(done.sealed_before), 'existing key')} yet: commit "
            f"{RECIPIENTS}, and let one of its other recipients run `tunnelwright secret rekey{folder}`",
        )
    output.objects([identity_object(public, done.sealed_before, created=done.created)])


def _set(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    if arguments.missing:
        catalog = expanded_catalog(load_tree(arguments.tree), Diagnostics())
        for name in missing_keys(catalog):
            count = files.set(name, random_key())
            _say(output, f"{arguments.tree / name}: a new key, for {count} to open")
            output.objects([key_file_object("set", name, count)])
        return
    if not arguments.replace:
        # Before a key is typed.
        files.check_new(arguments.name)
    key = random_key() if arguments.random else _given()
    count = files.set(arguments.name, key, replace=arguments.replace)
    _say(output, f"{arguments.tree / arguments.name}: encrypted, for {count} to open")
    output.objects([key_file_object("set", arguments.name, count)])


def _rotate(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    for name in arguments.names:
        files.rotate(name)
        _say(output, f"{arguments.tree / name}: a new key")
        output.objects([key_file_object("rotate", name)])


def _rekey(files: KeyFiles, arguments: argparse.Namespace, output: Output) -> None:
    for name in files.rekey():
        _say(output, f"{arguments.tree / name}: encrypted again")
        output.objects([key_file_object("rekey", name)])


def _given() -> Secret:
    """The key that standard input gives: asked for without an echo on a terminal, else all of it, less one
    line end. It is no argument: a list of processes would show it."""
    if sys.stdin.isatty():
        content = getpass("Key (not shown): ").encode()
        if content != getpass("Once more: ").encode():
            raise SecretUnavailable("the two inputs differ; nothing was written")
    else:
        # One byte more than a key can have, with its line end: that it is too long is seen then.
        given = sys.stdin.buffer.read(KEY_BYTES + len(b"\r\n") + 1)
        content = given.removesuffix(b"\n").removesuffix(b"\r")
    if not content:
        raise SecretUnavailable("the key is empty", hint="give the key on standard input, or use --random")
    return Secret(content)


def _say(output: Output, text: str) -> None:
    output.lines([Line(text)])


_ACTIONS = {"init": _init, "set": _set, "rotate": _rotate, "rekey": _rekey}
