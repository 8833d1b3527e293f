"""Generated dummy keys for labs, derived from their references: they protect nothing."""

from __future__ import annotations

import hashlib

from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret


def stand_in(reference: PskRef) -> Secret:
    """A key made of its reference alone: equal for references that are equal and written alike, as long as
    a real one."""
    name = f"{reference.source}:{reference.name}{f'#{reference.field}' if reference.field else ''}"
    words = f"tunnelwright lab: {name} {reference.written}"
    return Secret(hashlib.sha256(words.encode()).hexdigest().encode())
