"""Persisted swanctl files: what makes the tunnels come back when charon restarts by itself.

charon forgets everything loaded over VICI when it stops; its unit then runs `swanctl --load-all`,
which loads these files. One file for each tunnel, so one changed tunnel is one written file.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from reconciler.facets.connections import SETS
from reconciler.facets.files import refusal
from reconciler.facets.files.swanctl_conf import (
    Section,
    SwanctlSyntaxError,
    inherit,
    read,
    section_lines,
)
from reconciler.model.diagnostic import Location
from reconciler.model.router_config import PREFIX, Connection, LiveFile, SharedSecret
from reconciler.model.secret import Secret, fingerprint
from reconciler.model.swanctl import Settings, Value

FOLDER = "/etc/swanctl/conf.d"
MODE = 0o600
ADOPTED = ".adopted"
"""What is added to the name of a file that charon is to load no more; no include takes it in."""

_BASE64 = "0s"
_LISTS = frozenset({"local_addrs", "remote_addrs", "proposals", "esp_proposals", "local_ts", "remote_ts"})


def file_name(connection: str) -> str:
    """The file of one connection, below FOLDER."""
    return f"{connection}.conf"


_FILE: Final = """\
# Written by tunnelwright from Git: a change made here is undone by the next apply.
# Reconnect: {reconnect}
{remarks}connections {{
    {name} {{{settings}
    }}
}}
secrets {{
    {id} {{{owners}
        secret = {secret}
    }}
}}
"""
_OTHER_END_BEGINS: Final = "# Begun by: the other end\n"


def render(connection: Connection) -> Secret:
    """The file's content. The key is base64 (`0s…`), so no character of it can break the syntax."""
    remarks = (
        (_PROTECTED, connection.protected),
        (_PAIRED, connection.paired),
        (_OTHER_END_BEGINS, not connection.initiates),
    )
    owners = {f"id-{number}": owner for number, owner in enumerate(connection.secret.owners, start=1)}
    text = _FILE.format(
        reconnect=connection.reconnect or "never",
        remarks="".join(remark for remark, holds in remarks if holds),
        name=connection.name,
        settings=section_lines(connection.settings, 2),
        id=connection.secret.id,
        owners=section_lines(owners, 2),
        secret=_encoded(connection.secret),
    )
    return Secret(text.encode())


def said(connection: Connection) -> Settings:
    """What a file from `render` says, as `parse` would read it."""
    secret = connection.secret
    owners = {f"id-{number}": owner for number, owner in enumerate(secret.owners, start=1)}
    return {
        "connections": {connection.name: connection.settings},
        "secrets": {secret.id: {**owners, "secret": _encoded(secret)}},
    }


def _encoded(secret: SharedSecret) -> str:
    return _BASE64 + base64.b64encode(secret.secret.reveal()).decode()


def parse(content: bytes) -> Settings | None:
    """A swanctl file as nested settings, or None when it is not one.

    Reads what `render` writes and what a person may have made of it by hand. A file that includes others
    does not say everything itself, so it counts as one that cannot be read.
    """
    try:
        # No setting of ours has other bytes than UTF-8, and a plan shows what there is.
        text = content.decode(errors="replace")
        root, _ = inherit(read("", text.encode(), _refuse_include))
    except SwanctlSyntaxError:
        return None
    return _settings(root)


def _refuse_include(_: str) -> Iterable[tuple[str, bytes]]:
    raise SwanctlSyntaxError(Location(""), "another file is included")


def _settings(section: Section) -> Settings:
    settings: dict[str, Any] = {
        key: _value(key, entry.text) for key, entry in section.entries.items() if entry.text is not None
    }
    return settings | {name: _settings(child) for name, child in section.sections.items()}


def _value(key: str, text: str) -> Value:
    if key in _LISTS:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _comments(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if line.lstrip().startswith(b"#")]


def _alike(one: Settings, other: Settings) -> bool:
    """Whether two sections are equal but for the order of what has none."""
    return one.keys() == other.keys() and all(_alike_there(key, one[key], other[key]) for key in one)


def _alike_there(key: str, one: Value | Settings, other: Value | Settings) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return _alike(one, other)
    if one == other or key not in SETS:
        return one == other
    return isinstance(one, tuple) and isinstance(other, tuple) and sorted(one) == sorted(other)


_PROTECTED: Final = "# Deletion protection: on\n"
_PAIRED: Final = "# Other end: managed\n"

_RECONNECT = re.compile(rb"^# Reconnect: (\S+)$", re.MULTILINE)


_KEY = re.compile(rb"^[ \t]*(?:ike-\S+-([0-9a-f]{12}) \{|secret = (0s[A-Za-z0-9+/=]+))$", re.MULTILINE)


def bears_fingerprint(file: LiveFile | None, tunnel: str, fingerprint_key: Secret) -> bool:
    """Whether a router's file has a key of the tunnel under its fingerprint, as only who holds
    `fingerprint_key` could write it. Read line by line, as it was rendered: a router may hold as many files
    as it likes."""
    digest = None
    for found in _KEY.finditer(file.content.reveal()) if file is not None else ():
        if found[1] is not None:
            digest = found[1].decode()
        elif digest is not None:
            key = _decoded(found[2].decode())
            if key is not None and fingerprint(key, key=fingerprint_key, context=tunnel) == digest:
                return True
    return False


@dataclass(frozen=True, slots=True)
class WrittenSecret:
    """What a file says of a key: whose it is, and whether it is the one that is wanted."""

    owners: tuple[str, ...]
    right: bool


class WrittenFile:
    """What a router's own file says of a tunnel, decoded once and no further than it is asked: a router has
    thousands. One that is not there says nothing."""

    def __init__(self, live: LiveFile | None) -> None:
        self.is_there = live is not None
        self.mode = None if live is None else live.mode
        """Its permission bits."""
        self._file = None if live is None else live.content
        self._says = None if live is None else live.says

    @property
    def _content(self) -> bytes:
        return b"" if self._file is None else self._file.reveal()

    @cached_property
    def _settings(self) -> Settings | None:
        """All that it says; None when it cannot be read."""
        if self._file is None or self._says is not None:
            return self._says
        return parse(self._content)

    @property
    def _trusted(self) -> Settings | None:
        """The same, unless a change was under way."""
        return None if refusal.PENDING in self._content else self._settings

    def equals(self, wanted: Secret, connection: Connection) -> bool:
        """Whether it is the wanted one, which was rendered from `connection`: byte for byte, or but for the
        order of what has none, that of sections and of traffic selectors, which followed the author's
        before. Comments count."""
        if self._file is None or self._file == wanted:
            return self._file is not None
        # What differs is mostly a setting: comments are looked at where none does.
        if self._settings is None or not _alike(self._settings, said(connection)):
            return False
        return _comments(self._content) == _comments(wanted.reveal())

    def marked(self) -> Secret | None:
        """It with a comment that takes its word away; None when it has that already, and when there is no
        file. charon still loads it if it restarts before the change is complete."""
        if self._file is None or refusal.PENDING in self._content:
            return None
        return Secret(self._content + refusal.PENDING)

    @property
    def reconnect(self) -> str | None:
        """The last reconnect that was done, empty for none; None when the file does not say so."""
        found = _RECONNECT.search(self._content)
        return found[1].decode(errors="replace").removeprefix("never") if found else None

    @property
    def protected(self) -> bool:
        """Whether the tunnel was protected from deletion when the file was written."""
        return f"\n{_PROTECTED}".encode() in self._content

    @property
    def paired(self) -> bool:
        """Whether the other end was managed too when the file was written."""
        return f"\n{_PAIRED}".encode() in self._content

    def connection(self, name: str) -> Settings | None:
        """What it says of a connection; None when it says nothing that can be read."""
        return _entry(self._trusted, "connections", name)

    def loaded_last(self, name: str) -> Settings | None:
        """What it says of a connection, whether or not a change is under way; None when it says nothing that
        can be read."""
        return _entry(self._settings, "connections", name)

    def refusal(self, wanted: Connection) -> str:
        """How the peer has refused the change to this connection when it was tried last, in charon's words;
        empty when it was not tried, or nothing is known of it."""
        return refusal.refusal(self._content, said(wanted))

    @property
    def secret_ids(self) -> frozenset[str]:
        """The ids of the keys that it has, whether or not a change is under way."""
        return frozenset(dict(_sections(self._settings, "secrets")))

    def secret(self, wanted: SharedSecret) -> WrittenSecret | None:
        """What it says of a tunnel's key; None when it says nothing that can be read."""
        section = _entry(self._trusted, "secrets", wanted.id)
        if section is None:
            return None
        return WrittenSecret(_owners(section), section.get("secret") == _encoded(wanted))

    def before(self, connection: str, secret_ids: Iterable[str]) -> tuple[Settings, SharedSecret] | None:
        """The connection and the first of these keys as it has them, whether or not a change is under way:
        what ran last. None when it lacks either."""
        settings = _entry(self._settings, "connections", connection)
        for secret_id in secret_ids:
            section = _entry(self._settings, "secrets", secret_id)
            key = _decoded(str(section.get("secret", ""))) if section is not None else None
            if settings is not None and section is not None and key is not None:
                return settings, SharedSecret(secret_id, _owners(section), key)
        return None


def _entry(parsed: Settings | None, kind: str, name: str) -> Settings | None:
    """One connection, or one key, of a file."""
    found = _sections(parsed, kind).get(name)
    return found if isinstance(found, Mapping) else None


def _sections(parsed: Settings | None, kind: str) -> Settings:
    sections = parsed.get(kind) if parsed is not None else None
    return sections if isinstance(sections, Mapping) else {}


def _owners(section: Settings) -> tuple[str, ...]:
    return tuple(str(value) for key, value in section.items() if key.startswith("id"))


def _decoded(encoded: str) -> Secret | None:
    if not encoded.startswith(_BASE64):
        return None
    try:
        return Secret(base64.b64decode(encoded[len(_BASE64) :], validate=True))
    except ValueError:
        return None


def is_ours(name: str) -> bool:
    """True for a file that this tool wrote."""
    return name.startswith(PREFIX) and name.endswith(".conf")
