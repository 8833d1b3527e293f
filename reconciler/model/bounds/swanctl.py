"""Bounds of a foreign swanctl.conf with all files that it includes."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import MIB

SWANCTL_BYTES: Final = 32 * MIB
"""One swanctl.conf with all that it includes. 10,000 connections take 10 MiB."""

SWANCTL_FILES: Final = 20_000
"""Files of one swanctl.conf, each counted as often as it is included."""

SWANCTL_SETTINGS: Final = 500_000
"""Settings and sections of one swanctl.conf once everything is inherited: a few lines that refer to one
another could make billions. 10,000 connections have 400,000."""

SWANCTL_DEPTH: Final = 64
"""Sections of swanctl.conf inside one another and inheriting from one another, all in all. A child of a
connection that inherits has 5."""

SWANCTL_INCLUDES: Final = 16
"""Files of swanctl.conf that include one another, each the next: the packaged one includes one level."""

SWANCTL_SECTIONS: Final = 32
"""Sections of swanctl.conf inside one another; a child of a connection is in three."""

SWANCTL_PATTERNS: Final = 256
"""Patterns that a configuration includes with all that they lead to: each is one command on a router."""
