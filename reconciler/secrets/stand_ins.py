"""Generated dummy keys for a lab, so that it needs no key of a real tunnel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reconciler.model.errors import TunnelwrightError
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.model.stand_in import stand_in
from reconciler.secrets.store import FINGERPRINT_KEY, SecretStore


class StandIns(SecretStore):
    """A key for every reference, derived from the reference: the same in each run, another one if a key is
    encrypted again, and not secret."""

    def __init__(self) -> None:
        super().__init__(Path(), {})

    def ask(self, references: Iterable[PskRef]) -> dict[PskRef, Secret | TunnelwrightError]:
        """Every referenced key; none can be missing."""
        return {reference: stand_in(reference) for reference in references}

    def fingerprint_key(self) -> Secret:
        """Nothing is kept from one run to the next, so it is the same in all."""
        return stand_in(PskRef("file", FINGERPRINT_KEY))
