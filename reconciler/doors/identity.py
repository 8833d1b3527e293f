"""Who runs this process."""

from __future__ import annotations

import os
import socket


def user_name() -> str:
    """The user of this process, for people: `user@host`. A user of a container may have a number alone."""
    user = os.environ.get("LOGNAME") or os.environ.get("USER") or str(os.geteuid())
    return f"{user}@{socket.gethostname()}"
