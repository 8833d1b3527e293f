"""Receivers of notifications: forges and message services."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import MIB

FORGE_SECONDS: Final = 20.0
"""Seconds in all for one question to a forge, its repetitions included."""

FORGE_CONNECT_SECONDS: Final = 5.0
"""Seconds to reach a forge."""

FORGE_SILENCE_SECONDS: Final = 10.0
"""Silence of a forge within an answer."""

FORGE_ANSWER: Final = 8 * MIB
"""Bytes of a forge's answer, unpacked: 100 comments of 64 KiB and what surrounds them."""

FORGE_LIST: Final = 64 * MIB
"""Bytes of all pages of a list; comments of 100 pages would be 640 MiB."""

FORGE_PAGES: Final = 100
"""Pages of a list; a forge gives 100 items on each."""

FORGE_LIST_SECONDS: Final = 120.0
"""Seconds in all for the pages of a list."""

FORGE_WORDS: Final = 300
"""Characters of a refusal that are repeated."""

NOTIFY_SECONDS: Final = 30.0
"""What forges and message services have when a command that has notified them ends."""

MESSAGE_SECONDS: Final = 60.0
"""Seconds in all to hand one message to its service; mail servers may greet late."""

MESSAGE_WORDS: Final = MIB
"""Bytes of each output of the process that hands a message over, which writes a line or two."""

MESSAGE_MEMORY: Final = 1024 * MIB
"""Bytes of address space of the process that hands a message over; it needs some 300 MiB."""

MESSAGE_RUNS: Final = 100
"""Runs that a message looks back on after messages could not be sent for long."""
