"""Whether a key could be guessed."""

from __future__ import annotations

from zxcvbn import zxcvbn

from reconciler.model.secret import Secret

STRONG_KEY_HINT = "use 32 random bytes: head -c 32 /dev/urandom | base64"
_STRONG = 14
"""Powers of ten of guesses: a hundred million a second take more than ten days."""
_JUDGED = 32
"""Characters; so many random ones are far more than enough."""


def weakness(key: Secret) -> str:
    """Why a key is easy to guess; empty if it is not.

    An attacker in the place of a peer's partner can try keys offline against what it answers
    (RFC 7296, section 2.15), so the number of guesses counts, and zxcvbn estimates it.
    """
    text = key.reveal().decode(errors="replace")
    # What is long enough in a part of it is so as a whole; the estimate of more takes longer and longer.
    judged = [zxcvbn(part) for part in {text[:_JUDGED], text[-_JUDGED:]}]
    found = max(judged, key=lambda result: result["guesses_log10"])
    guesses = found["guesses_log10"]
    if guesses >= _STRONG:
        return ""
    reason = found["feedback"]["warning"] or "it is too short for its characters"
    return f"{reason.rstrip('.')} (about 10^{guesses:.0f} guesses; 10^{_STRONG} are needed)"
