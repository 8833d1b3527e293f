"""What of a configuration is in no connection that an import reads: a finding for each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from reconciler.facets.files.swanctl_conf import SECTIONS, Entry, Section
from reconciler.importing.notation import HeldKey, NotImportable, matching
from reconciler.importing.separation import Configuration, identity_pairs
from reconciler.importing.sources import IKE_KEYS, Source
from reconciler.importing.vocabulary import KEY, fate
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.quoting import quoted
from reconciler.model.secret import Secret
from reconciler.model.suggestion import did_you_mean

_MARK: Final = "\ufeff"
"""A byte order mark, which charon takes for a letter."""
_STAYS: Final = "it stays on the router"
_OTHERS: Final = {
    "pools": f"a pool gives addresses to peers, and is not taken over; {_STAYS}",
    "authorities": f"an authority is for certificates, and is not taken over; {_STAYS}",
}


def report_leftovers(whole: Configuration, found: Diagnostics) -> None:
    """Warn of the settings and sections that no connection has: nothing is lost in silence. A byte order mark
    is an error, as charon does not load what it marks."""
    for entry in whole.useless:
        _drop(found, entry.location, f"there is no section {entry.text!r} to inherit from")
    root = whole.root
    for name, entry in root.entries.items():
        if not _report_mark(name, entry.location, found):
            _drop(
                found,
                entry.location,
                f"the setting {quoted(name)} stands outside of any section, and is passed over",
            )
    for name, section in root.sections.items():
        if not (name in SECTIONS or name in whole.bases or _report_mark(name, section.location, found)):
            hint = did_you_mean(name, SECTIONS - root.sections.keys())
            message = f"the section {quoted(name)} is none that swanctl.conf has, and is passed over"
            found.warning("import-dropped", section.location, message, hint=hint)
    for name in sorted(SECTIONS & root.sections.keys()):
        _report_entries(
            root.sections[name].entries.items(), f"of {name} is in none of its sections, and", found
        )
    for kind, words in _OTHERS.items():
        for name, section in _sections(root, kind):
            _drop(found, section.location, f"{quoted(name)}: {words}")
    _report_secrets(root, found)


def report_unused_keys(sources: Iterable[Source], keys: Collection[HeldKey], found: Diagnostics) -> None:
    """Warn of keys that charon uses for none of these connections."""
    used = frozenset(_keys_used(sources, keys))
    for key in keys:
        if key.secret not in used:
            _drop(
                found, key.location, f"{quoted(key.name)} is not taken over: no connection uses it; {_STAYS}"
            )


def _keys_used(sources: Iterable[Source], keys: Collection[HeldKey]) -> Iterator[Secret]:
    """All of them, if the identities of one connection are unknown."""
    for source in sources:
        try:
            pairs = identity_pairs(source.section)
        except NotImportable:
            yield from (key.secret for key in keys)
            continue
        for pair in pairs:
            yield from matching(keys, *pair)


def _report_secrets(root: Section, found: Diagnostics) -> None:
    for name, section in _sections(root, "secrets"):
        if not name.startswith(IKE_KEYS):
            _drop(
                found,
                section.location,
                f"{quoted(name)} is not a pre-shared key of IKE, and is not taken over; {_STAYS}",
            )
            continue
        if "secret" not in section.entries:
            _drop(found, section.location, f"{quoted(name)} has no secret, and is passed over")
        unknown = ((word, entry) for word, entry in section.entries.items() if fate(word, KEY) is None)
        _report_entries(unknown, f"of {quoted(name)} is none that a key has, and", found)
        for inner, part in section.sections.items():
            _drop(found, part.location, f"the section {quoted(inner)} in {quoted(name)} is passed over")


def _sections(root: Section, kind: str) -> Iterable[tuple[str, Section]]:
    section = root.sections.get(kind)
    return section.sections.items() if section is not None else ()


def _report_entries(entries: Iterable[tuple[str, Entry]], why: str, found: Diagnostics) -> None:
    for name, entry in entries:
        _drop(found, entry.location, f"the setting {quoted(name)} {why} is passed over")


def _report_mark(name: str, place: Location, found: Diagnostics) -> bool:
    if not name.startswith(_MARK):
        return False
    found.error(
        "import-refused",
        place,
        f"the file begins with a byte order mark, so charon reads another name than {quoted(name[1:])} here",
        hint="save the file as UTF-8 without a byte order mark",
    )
    return True


def _drop(found: Diagnostics, place: Location, message: str) -> None:
    found.warning("import-dropped", place, message)
