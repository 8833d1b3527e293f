"""A name that nothing has leads to the one that is meant, or to those that there are: not to thousands."""

from __future__ import annotations

import pytest

from reconciler.model.errors import TunnelwrightError
from reconciler.model.suggestion import check_known

NAMES = ["paris-tokyo", "tokyo-paris"]


@pytest.mark.parametrize(
    ("words", "names", "message", "hint"),
    [
        (["paris-tokio"], NAMES, "no tunnel is called paris-tokio", "did you mean 'paris-tokyo'?"),
        (["x"], NAMES, "no tunnel is called x", "the tunnels are paris-tokyo, tokyo-paris"),
        (["x"], [], "no tunnel is called x", "there is no tunnel"),
        (["x", "tokyo-pari"], NAMES, "no tunnel is called tokyo-pari, x", "did you mean 'tokyo-paris'?"),
    ],
)
def test_unknown_names(words: list[str], names: list[str], message: str, hint: str) -> None:
    with pytest.raises(TunnelwrightError) as caught:
        check_known(words, names, "tunnel")
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_known_names() -> None:
    check_known(NAMES, NAMES, "tunnel")
    check_known([], [], "tunnel")


def test_of_many_names_some_are_reported() -> None:
    with pytest.raises(TunnelwrightError) as caught:
        check_known(
            [f"{number:05}" for number in range(30_000)], [f"{n:x}y" for n in range(30_000)], "tunnel"
        )
    assert "and 29994 more" in caught.value.message
    assert "and 29988 more" in caught.value.hint
    assert len(caught.value.message + caught.value.hint) < 300


@pytest.mark.parametrize(
    "key",
    ["5f4dcc3b5aa765d61d8327deb882cf99", "9vT-uJ5yq0mW_8eXh1fKz3bL7cRkQwYpN2sD4aGiHlE", "Sup3rSecretKey!"],
)
def test_a_key_in_the_place_of_a_name_is_not_repeated(key: str) -> None:
    with pytest.raises(TunnelwrightError, match=r"not shown.*, paris-tokio$") as caught:
        check_known([key, "paris-tokio"], NAMES, "tunnel")
    assert key not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint == "did you mean 'paris-tokyo'?"
