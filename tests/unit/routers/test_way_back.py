"""What a router says of its way back, and what is not that."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.facets.boot.charon import text_of
from reconciler.model.way_back import Armed, Arming, Cause, WayBack, WentBack
from reconciler.routers.way_back import WAY_BACK, decode, words

ARMING = Arming("0123456789abcdef", "me@here", "d" * 64, "c" * 40, 300)
SAID = f"0123456789abcdef me@here {'d' * 64} {'c' * 40} 300"


def test_most_routers_say_nothing() -> None:
    assert decode("paris", "") == WayBack()


def test_a_router_that_is_armed() -> None:
    assert decode("paris", f"armed {SAID} 17\n") == WayBack(Armed("paris", ARMING, 17))


def test_a_router_that_has_gone_back() -> None:
    said = f"back {SAID} restart 1764109990\nproblem VIPs: no such device\nproblem SAs: it failed\n"
    at = datetime.fromtimestamp(1764109990, UTC)
    problems = ("VIPs: no such device", "SAs: it failed")
    assert decode("paris", said) == WayBack(None, WentBack("paris", ARMING, Cause.RESTART, at, problems))


def test_what_a_router_says_of_a_problem_is_one_line_of_a_bounded_length() -> None:
    found = decode("paris", f"back {SAID} restart 1\nproblem a\rb\u2028c{'x' * 100_000}\n").back
    assert found is not None
    [problem] = found.problems
    assert problem.startswith("a\rb\u2028c")
    assert len(problem) == 300


@pytest.mark.parametrize("commit", ["", "a" * 40])
def test_an_arming_is_kept_as_words(commit: str) -> None:
    arming = Arming("0" * 16, "a name@here", "d" * 64, commit, 90)
    found = decode("paris", f"armed {' '.join(words(arming))} 90").armed
    assert found is not None
    assert found.arming == Arming("0" * 16, "a_name@here", "d" * 64, commit, 90)


@pytest.mark.parametrize(
    "said",
    [
        "armed",
        f"armed {SAID}",
        f"armed {SAID} -1",
        f"armed {SAID} {'9' * 5000}",
        f"armed {SAID} 5\narmed {SAID} 5",
        f"back {SAID} whim 1764109990",
        f"back {SAID} restart {'9' * 12}",
        "problem nothing went before it",
        f"back {SAID} restart 1\n" + "problem x\n" * 21,
        f"armed {SAID.replace('me@here', 'é')} 5",
    ],
)
def test_anything_else_is_not_understood(said: str) -> None:
    with pytest.raises(ValueError, match="a line that is not about a way back"):
        decode("paris", said)


def test_a_boot_begins_with_it() -> None:
    """The script of the boot is a file of its own, which cannot ask for the place."""
    first = next(line for line in text_of("load.sh").splitlines() if "confirm" in line)
    assert first == f"go_back={WAY_BACK}/go-back"
