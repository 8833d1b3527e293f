"""Where connections are found: in swanctl.conf as charon would load it, or in what charon reports. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.facets.connections import decode
from reconciler.facets.swanctl_conf import Entry, Section
from reconciler.importing.words import HeldKey, NotImportable, identity, key
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """One connection. `written` is False for what charon alone has reported: that lacks proposals."""

    name: str
    section: Section
    written: bool


def from_root(root: Section) -> Iterator[Source]:
    """The connections of a configuration in which everything inherited is in place."""
    connections = root.sections.get("connections")
    for name, section in (connections.sections if connections is not None else {}).items():
        yield Source(name, section, written=True)


def keys_of(root: Section, found: Diagnostics) -> tuple[HeldKey, ...]:
    """The IKE keys of a configuration. One that cannot be read is reported and left out."""
    secrets = root.sections.get("secrets")
    held = []
    for name, section in (secrets.sections if secrets is not None else {}).items():
        secret = section.entries.get("secret")
        if not name.startswith("ike") or secret is None or secret.text is None:
            continue
        try:
            owners = tuple(
                identity(entry.text)
                for word, entry in section.entries.items()
                if word.startswith("id") and entry.text is not None
            )
            held.append(HeldKey(owners, key(secret.text)))
        except NotImportable as error:
            found.warning("import-dropped", section.location, f"the key {name!r} is passed over: {error}")
    return tuple(held)


def from_reply(router: str, name: str, reply: Mapping[str, Any]) -> Source:
    """A connection as list-conns tells it."""
    return Source(name, _section(decode(reply), Location(f"{router}: connection {name}")), written=False)


def _section(settings: Settings, location: Location) -> Section:
    section = Section(location)
    for word, value in settings.items():
        if isinstance(value, Mapping):
            section.sections[word] = _section(value, location)
        else:
            text = value if isinstance(value, str) else ",".join(value)
            section.entries[word] = Entry(text, location)
    return section
