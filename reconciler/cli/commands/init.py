"""`tunnelwright init`: a new desired state to begin with. Overwrites nothing."""

from __future__ import annotations

import argparse
import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from reconciler.cli.out_file import make_folder
from reconciler.cli.output import Output, note
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.report.json.results import written_object
from reconciler.report.line import Line

_TREE: Final = "desired_state"
_DOCUMENTS: Final = ("defaults.yaml", "networks.yaml", "site-a.yaml", "site-b.yaml", "site-a--site-b.yaml")
_BESIDE: Final = {".gitignore": "gitignore", ".github/workflows/tunnels.yaml": "workflow.yaml"}
"""What goes beside the folder, and its name in `reconciler/cli/starter`."""


def run(arguments: argparse.Namespace) -> int:
    """Write the files of the folder, and those beside it that are not there yet."""
    output = Output(arguments)
    tree = arguments.tree
    whole = tree.resolve()
    if tree.exists() and (not tree.is_dir() or any(tree.iterdir())):
        raise TunnelwrightError(
            f"{tree} already exists", hint="name a new folder, because `init` does not change existing files"
        )
    if re.fullmatch("[A-Za-z0-9._-]+", whole.name) is None:
        # It is a word of a command in the workflow.
        raise TunnelwrightError(
            "the name of the folder may have letters, digits, `.`, `_` and `-`", hint="name another folder"
        )
    new = {tree / name: _text(f"{_TREE}/{name}") for name in _DOCUMENTS}
    beside = {
        whole.parent / name: _text(source).replace(_TREE, whole.name) for name, source in _BESIDE.items()
    }
    make_folder(tree)
    for path, text in (*new.items(), *beside.items()):
        if _write(path, text):
            output.lines([Line(f"  + {path}")])
            output.objects([written_object(str(path))])
        else:
            note(f"{path} already exists and is left as it is")
    output.lines([Line(f"Edit the documents, then run `tunnelwright validate {tree}`.", "bold")])
    return ExitCode.OK


def _text(name: str) -> str:
    return (files("reconciler.cli") / "starter" / name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> bool:
    """Write a new file; False if there is one. Raises TunnelwrightError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise TunnelwrightError(f"cannot write {path}: {error.strerror}") from error
    return True
