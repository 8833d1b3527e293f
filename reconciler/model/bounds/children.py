"""Child processes, whichever program they run."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import KIB

CHILD_WORDS: Final = 4 * KIB
"""What is kept of a child's standard error, the end of it: the sentence that says why it ended."""

CHILD_GRACE_SECONDS: Final = 5.0
"""What a child has to remove its unfinished files in when it is asked to end, before it is killed."""
