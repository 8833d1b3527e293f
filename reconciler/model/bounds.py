"""Every bound on what comes from outside, each with its reason: bytes, seconds in all, depth, counts.

What exceeds one is refused with the bound in the message. Whoever reads from outside takes its bound from
here, so that a reader sees all of them at once.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20

# Outputs

LONGEST_LINE: Final = 256 * KIB
"""Characters of a line for people. The longest of our own is a pre-shared key of 65,535 bytes in base64."""
