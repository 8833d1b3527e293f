"""What a router's own file says of a change that was not carried out: that it was begun, and how the peer
has refused it. So a later diagnosis knows it as well as the run that has tried; the router is the state.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from reconciler.facets.connections import priority
from reconciler.model.secret import Secret
from reconciler.model.swanctl import Settings, flatten

PENDING: Final = (
    b"# A change is under way: until it is done, charon may hold another configuration than this.\n"
)

_REFUSED: Final = re.compile(rb"^# Refused ([0-9a-f]{16}): (.*)\n", re.MULTILINE)
_REASON: Final = 300
"""Characters of a reason that are kept."""


def with_refusal(content: Secret, wanted: Settings, reason: str) -> Secret | None:
    """A file whose change is under way, with the reason why it was not done; None when none is under way.

    `wanted` is what the file would say after the change, as `parse` reads it, and `reason` charon's words.
    """
    plain = content.reveal()
    if PENDING not in plain:
        return None
    words = re.sub(r"[^ -~]+", " ", reason)[:_REASON].strip()
    return Secret(_REFUSED.sub(b"", plain) + f"# Refused {_digest(wanted)}: {words}\n".encode())


def refusal(content: bytes, wanted: Settings) -> str:
    """Why exactly this change was not done when it was tried last; empty when the file has no such word."""
    found = _REFUSED.search(content) if PENDING in content else None
    if found is None or found[1].decode() != _digest(wanted):
        return ""
    return found[2].decode(errors="replace")


def _digest(wanted: Settings) -> str:
    """What is asked of the peer: all settings but priorities, which only this end knows, and which key."""
    said = sorted(
        (path, value) for path, value in flatten(wanted) if not path.endswith((f".{priority.KEY}", ".secret"))
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
