"""Files on their way to and from a router: plain tar, read strictly.

What a router calls its archive is data of unknown shape. Python's tarfile would decompress it, fill in the
holes of sparse files, follow extensions into one another, and move backwards; so of it only the reading of
one header is used. Regular files alone are taken, as `tar` writes them, with the long names of GNU tar.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.model import bounds
from reconciler.model.secret import Secret

_BLOCK = 512
_END = bytes(_BLOCK)
_LONG_NAME = 4096
"""Bytes of a path (limits.h, PATH_MAX)."""


class BadArchive(Exception):
    """Bytes that are no such archive; `str()` says what is wrong."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One regular file of an archive."""

    content: Secret
    mode: int


def pack(files: Mapping[str, Secret], modes: Mapping[str, int] = MappingProxyType({})) -> bytes:
    """Files by name, each for root alone if `modes` does not say otherwise, as an archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, secret in files.items():
            content = secret.reveal()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), modes.get(name, 0o600)
            member.mtime = int(time.time())
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def unpack(archive: memoryview) -> dict[str, Packed]:
    """The files of an archive by the names that they have there. Raises BadArchive."""
    found: dict[str, Packed] = {}
    at, long_name = 0, ""
    while (block := bytes(archive[at : at + _BLOCK])) != _END:
        member = _header(block)
        body = at + _BLOCK
        at = body + -(-member.size // _BLOCK) * _BLOCK
        if member.size < 0 or at > len(archive):
            raise BadArchive("it is truncated")
        content = bytes(archive[body : body + member.size])
        if member.type == tarfile.GNUTYPE_LONGNAME and member.size <= _LONG_NAME:
            long_name = _name(content.rstrip(b"\0"))
            continue
        name, long_name = long_name or member.name, ""
        if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            raise BadArchive(f"{name[:100]!r} is not a regular file (type {member.type.decode('latin-1')!r})")
        if member.size > bounds.ROUTER_FILE_BYTES:
            raise BadArchive(f"{name[:100]!r} has more than {bounds.ROUTER_FILE_BYTES // bounds.KIB} KiB")
        if name in found:
            raise BadArchive(f"{name[:100]!r} occurs twice")
        if len(found) == bounds.ROUTER_FILES:
            raise BadArchive(f"more than {bounds.ROUTER_FILES} files")
        found[name] = Packed(Secret(content), member.mode & 0o7777)
    return found


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except UnicodeError as error:
        raise BadArchive("a name that is not UTF-8") from error
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise BadArchive(f"no header where one should be ({str(error) or type(error).__name__})") from error


def _name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeError as error:
        raise BadArchive("a name that is not UTF-8") from error
