"""The files and folders that an argument names: written whole, never in the place of a key, never called like
one."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from reconciler.doors.files import replace_whole, usual_mode
from reconciler.load.bounded import read_bounded
from reconciler.model.bounds import PRIVATE_FILE_BYTES
from reconciler.model.credentials import private_key
from reconciler.model.errors import SourceUnavailable, TunnelwrightError
from reconciler.model.quoting import is_plain_name
from schemas.keys import KEY_FILE, SEALED_BY_AGE, SEALED_BY_SOPS

_KEYS: Final = (KEY_FILE, SEALED_BY_AGE, *SEALED_BY_SOPS, ".key")
"""What the names of files end in that hold keys: of tunnels, of fingerprints, of others."""


def check_out(path: Path) -> None:
    """See that what would be replaced is no key. Other files are: a report or a plan is made again and again.

    Raises TunnelwrightError.
    """
    try:
        keys = path.exists() and (path.name.lower().endswith(_KEYS) or _holds_private_key(path))
    except OSError as error:
        raise TunnelwrightError(f"cannot write {path}: {error.strerror}") from error
    if keys:
        raise TunnelwrightError(
            f"{path} already exists, and is a key file", hint="choose another file with --out"
        )


def write_out(path: Path, content: bytes, *, private: bool = False) -> None:
    """Put a file there, whole or not at all; `private` makes it the user's alone from its first byte on. What
    is no file, as a pipe, is written into, unless it is `private`.

    Raises TunnelwrightError, also where `check_out` does.
    """
    check_out(path)
    try:
        if not path.exists() or stat.S_ISREG(path.stat().st_mode):
            replace_whole(path, content, 0o600 if private else usual_mode())
        elif private:
            raise TunnelwrightError(f"{path} is not a file")
        else:
            path.write_bytes(content)
    except OSError as error:
        raise TunnelwrightError(f"cannot write {path}: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Create a folder that is not there, with those around it; none is called like a key, which may have been
    pasted in the place of its name.

    Raises TunnelwrightError.
    """
    whole = path.resolve()
    try:
        if any(not there.exists() and not is_plain_name(there.name) for there in (whole, *whole.parents)):
            raise TunnelwrightError(
                "no folder is created under this name, because it may be a key", hint="choose another name"
            )
        whole.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TunnelwrightError(f"cannot create {path}: {error.strerror}") from error


def _holds_private_key(path: Path) -> bool:
    try:
        return path.is_file() and private_key(read_bounded(path, PRIVATE_FILE_BYTES)) is not None
    except SourceUnavailable:
        # Too long for a key, or not ours to read.
        return False
