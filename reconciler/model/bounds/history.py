"""Bounds of the records of runs."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.notifying import MESSAGE_RUNS
from reconciler.model.bounds.sizes import KIB, MIB

ACCEPTED_COMMITS: Final = 10_000
"""Commits that were accepted, of which the history remembers by whom and when; older ones go."""

RECORD: Final = 8 * MIB
"""Bytes of what one run found, as JSON; the rest is counted. A first apply of 1,000 tunnels has 4 MiB."""

RECORD_MESSAGE: Final = 4 * KIB
"""Characters of the sentence about a run."""

RECORD_NAMED: Final = 5
"""Of what one sentence of a record names; more are counted, so that it stays one line."""

RECORD_DIAGNOSTICS: Final = 100
"""Findings of a commit that its record keeps; more are counted. A commit may be broken in every line."""

RUN_NUMBERS: Final = 2**53
"""Numbers of runs: a service that runs every second takes 285 million years for them, and JSON's readers take
larger ones for others (RFC 8259, section 6)."""

RUNS_KEPT: Final = 10_000
"""Runs that the history's file keeps; older ones go. One that finds nothing to do counts as a repeat of the
one before, so these are months of changes."""

RUNS_IN_MEMORY: Final = MESSAGE_RUNS
"""Runs that are remembered beside the history's file; as many as a message looks back on."""

RECORDS_IN_MEMORY: Final = 32 * MIB
"""Bytes of those, as JSON; older ones go."""

ARMINGS: Final = 1_000
"""Armings that the history keeps; a router reports one in the run after it."""

SET_ASIDE: Final = 3
"""Damaged histories that are kept for a person to look at."""

HISTORY_SECONDS: Final = 5.0
"""Seconds to wait for another process that has locked the history."""
