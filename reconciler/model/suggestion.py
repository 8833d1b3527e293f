"""What to say of a name that nothing has: the one that is meant, else those that there are. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from itertools import islice

from reconciler.model.bounds import MOST_CANDIDATES, MOST_MISSPELT
from reconciler.model.errors import TunnelwrightError
from reconciler.model.listing import listed
from reconciler.model.quoting import NOT_SHOWN, is_plain_name

_MOST_KNOWN = 12


def nearest(word: str, allowed: Iterable[str]) -> str:
    """The closest allowed word, or nothing: also where looking for one would take long. A word in other case
    is the same one."""
    words = list(islice(allowed, MOST_CANDIDATES + 1))
    if len(word) > MOST_MISSPELT or len(words) > MOST_CANDIDATES:
        return ""
    alike = next((item for item in words if item.lower() == word.lower()), "")
    return alike or next(iter(difflib.get_close_matches(word, words, n=1)), "")


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """A hint with the closest allowed word, or nothing."""
    close = nearest(word, allowed)
    return f"did you mean {close!r}?" if close else ""


def known(names: Iterable[str]) -> str:
    """The names that there are, in order, or some of them and how many more."""
    return listed(sorted(names), _MOST_KNOWN)


def check_known(words: Iterable[str], names: Collection[str], what: str, otherwise: str = "") -> None:
    """Raises TunnelwrightError for words that are none of these names. The hint is what may be meant, else
    `otherwise`, by default which names there are. `what` is what has them, in the singular."""
    unknown = sorted(set(words).difference(names))
    if not unknown:
        return
    near = [hint for word in unknown[:_MOST_KNOWN] if (hint := did_you_mean(word, names))]
    there = f"the {what}s are {known(names)}" if names else f"there is no {what}"
    # What was given may be a key that was pasted in the wrong place.
    called = listed(word if is_plain_name(word) else NOT_SHOWN for word in unknown)
    raise TunnelwrightError(f"no {what} is called {called}", hint=" ".join(near) or otherwise or there)
