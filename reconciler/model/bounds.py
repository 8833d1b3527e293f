"""Every bound on what comes from outside, each with its reason: bytes, seconds in all, depth, counts.

What exceeds one is refused with the bound in the message. Whoever reads from outside takes its bound from
here, so that a reader sees all of them at once.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20

# What routers answer, once it has been read.

ANSWER_DEPTH: Final = 40
"""Levels of a JSON answer. nftables, which nests deepest, needs 12 for a rule; beyond a few hundred Python
itself gives up in whatever walks over it next."""

ANSWER_NUMBER: Final = 2**64 - 1
"""The largest number of an answer: what a 64-bit counter of the kernel or charon holds."""

RULES_WALKED: Final = 100_000
"""Firewall rules through which one packet is followed. Chains that jump to one another several times
multiply; a ruleset of 10,000 rules is large."""
