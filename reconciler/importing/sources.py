"""Where connections are found: in swanctl.conf as charon would load it, or in what charon reports. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from reconciler.facets.connections import decode
from reconciler.facets.files.swanctl_conf import Entry, Section
from reconciler.importing.notation import HeldKey, NotImportable, key, owner
from reconciler.model.decoding import Fields
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import IkeId
from reconciler.model.swanctl import Settings

IKE_KEYS: Final = "ike"
"""How the sections of pre-shared keys begin (load_creds.c)."""


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
        if not name.startswith(IKE_KEYS) or secret is None or secret.text is None:
            continue
        named = [
            e.text for word, e in section.entries.items() if word.startswith("id") and e.text is not None
        ]
        owners: list[IkeId | None] = [] if named else [None]
        for text in named:
            # An identity of a kind that no tunnel has fits none of them.
            with suppress(NotImportable):
                owners.append(owner(text))
        try:
            held.append(HeldKey(tuple(owners), key(secret.text), name, section.location))
        except NotImportable as error:
            found.warning("import-dropped", section.location, f"the key {name!r} is ignored: {error}")
    return tuple(held)


def from_reply(name: str, listed: object) -> Source:
    """A connection as reported by list-conns.

    Raises AnswerNotUnderstood.
    """
    reply = Fields(listed, "list-conns", name)
    section = _section(decode(name, listed), Location(f"connection {name}"))
    _fill(section, reply, ("ppk_id", "ppk_required"))
    for end in ("local", "remote"):
        for further in (word for word in reply.names() if word.startswith(f"{end}-") and word != f"{end}-1"):
            section.sections[further] = Section(section.location)
    for child, body in reply.section("children").sections():
        _fill(section.sections["children"].sections[child], body, ("interface", "label"))
    return Source(name, section, written=False)


def _fill(section: Section, reply: Fields, words: Iterable[str]) -> None:
    """What charon reports of settings that no connection of ours has."""
    section.entries.update(
        {word: Entry(reply.text(word), section.location) for word in words if word in reply}
    )


def _section(settings: Settings, location: Location) -> Section:
    section = Section(location)
    for word, value in settings.items():
        if isinstance(value, Mapping):
            section.sections[word] = _section(value, location)
        else:
            text = value if isinstance(value, str) else ",".join(value)
            section.entries[word] = Entry(text, location)
    return section
