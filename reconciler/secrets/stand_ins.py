"""Keys that are nobody's, for a lab: it can be built and changed without one that opens a real tunnel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.secrets.store import SecretStore


class StandIns(SecretStore):
    """A key for every reference, made of the reference alone: the same in each run, another when a key is
    encrypted anew, and known to everybody."""

    def __init__(self) -> None:
        super().__init__(Path(), {})

    def keys(self, references: Iterable[PskRef]) -> dict[PskRef, Secret]:
        """Every referenced key; none can be missing."""
        return {reference: _made_of(f"{reference} {reference.written}") for reference in references}

    def fingerprint_key(self) -> Secret:
        """Nothing is kept from one run to the next, so it is the same in all."""
        return _made_of("fingerprints")


def _made_of(words: str) -> Secret:
    return Secret(hashlib.sha256(f"tunnelwright lab: {words}".encode()).hexdigest().encode())
