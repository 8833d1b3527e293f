"""The text of a router's messages that is kept: bounded, and without keys.

Where a command was given keys, a tool that echoes its input could put one, in whatever encoding, into its
errors. So of such words only phrases of a known vocabulary are kept, and how much was withheld.
"""

from __future__ import annotations

import errno
import os
import re
from functools import cache

from reconciler.model import bounds
from reconciler.model.listing import counted
from reconciler.model.secret import redacted

_TOOLS = ("sh", "env", "timeout", "mktemp", "mkdir", "tar", "sync", "find", "mv", "rm")
"""What a command that is given keys runs: one of them may be missing."""
_CHARON = ("missing", "invalid", "unknown", "unsupported", "parsing failed")
"""What charon complains of, when it refuses a key."""


def without_keys(said: bytes | str, *, keys: bool = False) -> str:
    """The part of a router's message that is kept, empty if there is none; `keys` says that it was given
    keys."""
    text = said if isinstance(said, str) else said.decode(errors="replace")
    if keys:
        return _known(text)
    # tar's last line only says that there was an earlier one.
    lines = [line for line in text.strip().splitlines() if not line.endswith("due to previous errors")]
    words = redacted(lines[-1]) if lines else ""
    most = bounds.ROUTER_MESSAGE_CHARACTERS
    return words if len(words) <= most else f"{words[:most]}… ({counted(len(words), 'character')})"


def _known(text: str) -> str:
    if not text.strip():
        return ""
    phrases = list(dict.fromkeys(_vocabulary().findall(text)))[:3]
    size = counted(len(text.encode(errors="replace")), "byte")
    withheld = f"its output of {size} is withheld, because it was given keys"
    return f"{'; '.join(phrases)} ({withheld})" if phrases else withheld


@cache
def _vocabulary() -> re.Pattern[str]:
    system = sorted({os.strerror(number) for number in errno.errorcode}, key=len, reverse=True)
    missing = [f"{tool}: not found" for tool in _TOOLS]
    return re.compile(
        "|".join(rf"(?<!\w){re.escape(phrase)}(?!\w)" for phrase in [*missing, *system, *_CHARON])
    )
