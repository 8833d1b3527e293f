"""strongSwan settings as one nested mapping: the same value goes to VICI, into a file and into a diff.

A value is a string or a tuple of strings; a section is a mapping. The vocabulary is swanctl.conf's
(`version`, `local_addrs`, `children.net.esp_proposals`), which VICI's load-conn shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

Value: TypeAlias = str | tuple[str, ...]
Settings: TypeAlias = "Mapping[str, Value | Settings]"
_VALUES: Final = (str, tuple)


class Unobservable(Enum):
    """The live value cannot be learnt. It equals nothing, so absence is never taken for equality."""

    UNOBSERVABLE = "unobservable"

    def __str__(self) -> str:
        return self.value


UNOBSERVABLE: Final = Unobservable.UNOBSERVABLE

Live: TypeAlias = Value | Unobservable | None
"""A live value: known, not knowable, or known to be absent (None)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs. Key material appears as fingerprints only.

    `source` says how the live value is known: `vici`, `file` (the router's own swanctl file),
    `sa` (what was negotiated) or `kernel` (addresses, firewall, sysctls).
    """

    path: str
    before: Live
    after: Live
    source: str


def first(settings: Settings, key: str) -> str:
    """The first value of a list, or the only one."""
    value = settings[key]
    return value[0] if isinstance(value, tuple) else str(value)


def flatten(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield every value with its dotted path, in the mapping's order."""
    for key, value in settings.items():
        # A text differs from a section at once, a section from a text only by way of `abc`.
        if isinstance(value, _VALUES):
            yield f"{prefix}{key}", value
        else:
            yield from flatten(value, f"{prefix}{key}.")


def plain(settings: Settings) -> dict[str, object]:
    """The message that VICI takes: dicts, lists and strings."""
    return {
        key: value if isinstance(value, str) else list(value) if isinstance(value, tuple) else plain(value)
        for key, value in settings.items()
    }
