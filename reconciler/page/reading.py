"""The desired state for the page."""

from __future__ import annotations

from reconciler.load import Loaded
from reconciler.model.errors import SourceUnavailable
from reconciler.model.fabric import Fabric
from reconciler.model.listing import counted
from reconciler.validate import validate


def reading(loaded: Loaded) -> tuple[Loaded, Fabric]:
    """Documents and what they describe. Raises SourceUnavailable for what is not valid."""
    fabric, found = validate(loaded)
    if found.errors:
        first = found.errors[0]
        raise SourceUnavailable(
            f"it has {counted(len(found.errors), 'error')}: {first.location}: {first.message}"
        )
    return loaded, fabric
