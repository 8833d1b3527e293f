"""One section of a connection, and a finding for each of its settings that no document has. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.facets.files.swanctl_conf import Section
from reconciler.importing.notation import NotImportable, seconds
from reconciler.importing.vocabulary import Dropped, Refused, Vocabulary, fate
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.quoting import NOT_SHOWN, is_plain, quoted
from reconciler.model.suggestion import did_you_mean


@dataclass(slots=True)
class Reader:
    """A section, and what is found in it: every finding is collected."""

    section: Section
    found: Diagnostics
    written: bool
    """Whether it is in a file; what charon reports lacks much."""
    reports: bool
    """Whether a person chose its settings: only then is one that is not taken over worth a warning."""
    refused: bool = False

    def below(self, section: Section) -> Reader:
        """The reader of a section inside this one. What it refuses is refused here once it is `joined`."""
        return Reader(section, self.found, self.written, self.reports)

    def joined(self, other: Reader) -> None:
        """Refuse what the reader of a section inside this one has refused."""
        self.refused |= other.refused

    def text(self, word: str, default: str = "") -> str:
        """A setting's text."""
        entry = self.section.entries.get(word)
        return default if entry is None or entry.text is None else entry.text

    def at(self, word: str) -> Location:
        """Where a setting is."""
        entry = self.section.entries.get(word)
        return self.section.location if entry is None else entry.location

    def refuse(self, word: str, message: str, hint: str = "") -> None:
        """There can be no document."""
        self.refused = True
        self.found.error("import-refused", self.at(word), message, path=word, hint=hint)

    def refuse_unknown(self, word: str, known: Iterable[str]) -> None:
        """There can be no document, because a setting is unknown. Its name may be a key."""
        called, path = (word, word) if is_plain(word) else (NOT_SHOWN, "")
        message = f"{called} is not a setting that tunnelwright knows"
        self.refused = True
        self.found.error("import-refused", self.at(word), message, path=path, hint=did_you_mean(word, known))

    def refuse_section(self, name: str, known: Iterable[str]) -> None:
        """There can be no document, because a section is unknown."""
        self.refused = True
        message = f"the section {quoted(name)} is none that tunnelwright knows"
        place = self.section.sections[name].location
        self.found.error("import-refused", place, message, hint=did_you_mean(name, known))

    def drop(self, word: str, message: str) -> None:
        """The document does not have it."""
        self.found.warning("import-dropped", self.at(word), message, path=word)

    def drop_setting(self, word: str, why: str) -> None:
        """The document does not have a setting that a person chose."""
        if self.reports:
            self.drop(word, f"{word} = {self.text(word)} is not taken over: {why}")

    def check(self, known: Vocabulary, sections: Iterable[str] = (), *, leave: Iterable[str] = ()) -> None:
        """A finding for each setting and each section that is not taken, but for `leave`: nothing is lost in
        silence. `sections` are those that are read elsewhere."""
        for word, entry in self.section.entries.items():
            if word in leave:
                continue
            match fate(word, known):
                case Refused(why, harmless, hint):
                    if entry.text is not None and entry.text.lower() not in harmless:
                        self.refuse(word, f"{word} = {entry.text}: {why}", hint)
                case Dropped(why, harmless):
                    if entry.text is not None and entry.text.lower() not in harmless:
                        self.drop_setting(word, why)
                case None:
                    self.refuse_unknown(word, (name for name in known if not name.endswith("*")))
        for name in self.section.sections.keys() - set(sections):
            match fate(name, known, section=True):
                case Refused(why):
                    self.refused = True
                    place = self.section.sections[name].location
                    self.found.error("import-refused", place, f"{name}: {why}", path=name)
                case _:
                    self.refuse_section(name, sections)

    def seconds(self, word: str, default: int, allowed: tuple[int, int]) -> int:
        """A time, in seconds."""
        try:
            found = seconds(self.text(word, str(default)))
        except NotImportable as error:
            self.refuse(word, str(error))
            return default
        if not allowed[0] <= found <= allowed[1]:
            self.refuse(word, f"{word} must be {allowed[0]} to {allowed[1]} seconds, not {found}")
        return found
