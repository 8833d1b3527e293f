"""An effective value, with the document that says it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.model.diagnostic import Location


@dataclass(frozen=True, slots=True)
class Explained:
    """A value of a tunnel end. `field` is the one of an IPsecTunnel, below `spec`; `document` its kind and
    name, or what else says it. `location` is None for what stands in no file."""

    field: str
    value: str
    document: str
    location: Location | None = None

    def below(self, folder: str) -> Explained:
        """The same with its file named from where `folder` is named from."""
        if self.location is None:
            return self
        return replace(self, location=replace(self.location, file=f"{folder}/{self.location.file}"))
