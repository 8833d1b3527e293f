"""Persisted swanctl files: what makes the tunnels come back when charon restarts by itself.

charon forgets everything loaded over VICI when it stops; its unit then runs `swanctl --load-all`,
which loads these files. One file for each tunnel, so one changed tunnel is one written file.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from reconciler.facets.connections import SETS
from reconciler.facets.swanctl_conf import Section, SwanctlSyntaxError, inherit, read
from reconciler.model.diagnostic import Location
from reconciler.model.router_config import PREFIX, Connection, LiveFile, SharedSecret
from reconciler.model.secret import Secret, fingerprint
from reconciler.model.settings import Settings, Value

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = "/etc/swanctl/conf.d"
MODE = 0o600
ADOPTED = ".adopted"
"""What is added to the name of a file that charon is to load no more; no include takes it in."""

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BASE64 = "0s"
_LISTS = frozenset({"local_addrs", "remote_addrs", "proposals", "esp_proposals", "local_ts", "remote_ts"})


def file_name(connection: str) -> str:
    """The file of one connection, below FOLDER."""
    return f"{connection}.conf"


def render(connection: Connection) -> Secret:
    """The file's content. The key is base64 (`0s…`), so no character of it can break the syntax."""
    return Secret(_template().render(connection=connection, secret=_encoded(connection.secret)).encode())


def _encoded(secret: SharedSecret) -> str:
    return _BASE64 + base64.b64encode(secret.secret.reveal()).decode()


@cache
def _template() -> Template:
    return environment("reconciler.facets").get_template("swanctl.conf.j2")


def environment(package: str) -> Environment:
    """The templates of a package, which may import `settings.j2` and use the filter `quoted`."""
    # A plan in which no file is rendered does without jinja2.
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("reconciler.facets")]),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration is not HTML; values go through `quoted`
        keep_trailing_newline=True,
    )
    made.filters["quoted"] = quoted
    return made


def quoted(value: str) -> str:
    """A value as swanctl.conf takes it: in quotes when it holds more than plain characters
    (strongSwan's settings lexer: backslash escapes, quotes end the string)."""
    if re.fullmatch(r"[A-Za-z0-9._:/@%+-]+", value):
        return value
    return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'


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


def says(file: LiveFile | None, wanted: Secret) -> bool:
    """True when a router's file is the wanted one, byte for byte or but for the order of what has none: that
    of sections and of traffic selectors, which followed the author's before. Comments count."""
    if file is None or file.content == wanted:
        return file is not None
    written, desired = file.content.reveal(), wanted.reveal()
    if _comments(written) != _comments(desired):
        return False
    parsed = parse(written)
    return parsed is not None and _unordered(parsed) == _unordered(parse(desired) or {})


def _comments(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if line.lstrip().startswith(b"#")]


def _unordered(settings: Settings) -> dict[str, object]:
    return {
        key: _unordered(value)
        if isinstance(value, Mapping)
        else sorted(value)
        if key in SETS and isinstance(value, tuple)
        else value
        for key, value in settings.items()
    }


_PENDING = b"# A change is under way: until it is done, charon may hold another configuration than this.\n"

_PROTECTED = b"\n# Deletion protection: on\n"

_PAIRED = b"\n# Other end: managed\n"

_RECONNECT = re.compile(rb"^# Reconnect: (\S+)$", re.MULTILINE)


def marked(file: LiveFile) -> Secret | None:
    """The file with a comment that takes its word away; None when it has that already. charon still loads
    it if it restarts meanwhile."""
    content = file.content.reveal()
    return None if _PENDING in content else Secret(content + _PENDING)


def _trusted(file: LiveFile | None) -> Settings | None:
    """What a file says, unless it cannot be read or a change was under way."""
    if file is None or _PENDING in file.content.reveal():
        return None
    return parse(file.content.reveal())


def reconnect_in(file: LiveFile | None) -> str | None:
    """The last reconnect that was done, empty for none; None when the file does not tell."""
    found = _RECONNECT.search(file.content.reveal()) if file is not None else None
    return found[1].decode(errors="replace").removeprefix("never") if found else None


def protected_in(file: LiveFile | None) -> bool:
    """Whether the tunnel was protected from deletion when its file was written."""
    return file is not None and _PROTECTED in file.content.reveal()


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


def paired_in(file: LiveFile | None) -> bool:
    """Whether the other end was managed too when the file was written."""
    return file is not None and _PAIRED in file.content.reveal()


def connection_in(file: LiveFile | None, connection: str) -> Settings | None:
    """What a router's own file says of a connection; None when it says nothing that can be read."""
    return _entry(_trusted(file), "connections", connection)


@dataclass(frozen=True, slots=True)
class WrittenSecret:
    """What a file says of a key: whose it is, and whether it is the one that is wanted."""

    owners: tuple[str, ...]
    right: bool


def secret_in(file: LiveFile | None, wanted: SharedSecret) -> WrittenSecret | None:
    """What a router's own file says of a tunnel's key; None when it says nothing that can be read."""
    section = _entry(_trusted(file), "secrets", wanted.id)
    if section is None:
        return None
    return WrittenSecret(_owners(section), section.get("secret") == _encoded(wanted))


def written_before(
    file: LiveFile, connection: str, secret_ids: Iterable[str]
) -> tuple[Settings, SharedSecret] | None:
    """The connection and the first of these keys as a router's own file has them, whether or not a change is
    under way: what ran last. None when it lacks either."""
    parsed = parse(file.content.reveal())
    settings = _entry(parsed, "connections", connection)
    for secret_id in secret_ids:
        section = _entry(parsed, "secrets", secret_id)
        key = _decoded(str(section.get("secret", ""))) if section is not None else None
        if settings is not None and section is not None and key is not None:
            return settings, SharedSecret(secret_id, _owners(section), key)
    return None


def _entry(parsed: Settings | None, kind: str, name: str) -> Settings | None:
    """One connection, or one key, of a file."""
    sections = parsed.get(kind) if parsed is not None else None
    found = sections.get(name) if isinstance(sections, Mapping) else None
    return found if isinstance(found, Mapping) else None


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
