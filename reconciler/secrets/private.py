"""Files for their owner alone."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from reconciler.model.bounds import PRIVATE_FILE_BYTES
from reconciler.model.errors import SecretUnavailable
from reconciler.model.secret import Secret

_PRIVATE = 0o077


def read_private(path: Path) -> Secret:
    """A file's bytes, less one line end at its end.

    Raises SecretUnavailable when it is not there, is no file, empty or too large, or may be read by others.
    """
    try:
        # Without O_NONBLOCK a named pipe is waited for before it can be seen to be one.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SecretUnavailable(f"{path} is not a file")
            if stat.S_IMODE(mode) & _PRIVATE:
                raise SecretUnavailable(
                    f"{path} may be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 it"
                )
            content = file.read(PRIVATE_FILE_BYTES + 1)
    except OSError as error:
        raise SecretUnavailable(f"{path}: {error.strerror}") from error
    if len(content) > PRIVATE_FILE_BYTES:
        raise SecretUnavailable(f"{path} has more than {PRIVATE_FILE_BYTES} bytes")
    key = content.removesuffix(b"\n").removesuffix(b"\r")
    if not key:
        raise SecretUnavailable(f"{path} is empty")
    return Secret(key)


def create_private(path: Path, content: bytes) -> None:
    """A new file for its owner alone, in a folder that is made when it is not there.

    Raises FileExistsError, and OSError when it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def replace_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """A file that is there whole or not at all, for nobody but its owner until it is. Who has the one before
    it open reads that one.

    Raises OSError.
    """
    # mkstemp makes it 0600.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            # A new name for what is not on the disk yet would be an empty file after a power failure.
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def usual_mode() -> int:
    """The mode of a new file that is no secret, as the user's umask says."""
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask


def may_write(folder: Path) -> bool:
    """True when files can be made in a folder, which is made first where it is not there."""
    there = next((place for place in (folder, *folder.parents) if os.access(place, os.F_OK)), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
