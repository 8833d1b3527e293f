"""Units that bounds are said in."""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10
"""Bytes."""

MIB: Final = 2**20
"""Bytes."""
