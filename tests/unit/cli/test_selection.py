"""`--target` and `--exclude` name something, or are refused: a misspelt name selects nothing."""

from __future__ import annotations

import pytest

from reconciler.model.errors import ExitCode
from tests.unit.cli.stage import ENDS, Stage

COMMANDS = (("plan",), ("apply", "--auto-approve", "--wait", "0.1"))


@pytest.mark.parametrize("option", ["--target", "--exclude"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("paris-tokio", "did you mean 'paris-tokyo'?"),
        ("pariss", "did you mean 'paris'?"),
        ("paris/tunnel/paris-tokio", "did you mean 'paris/tunnel/paris-tokyo'?"),
        ("paris/tunel/paris-tokyo", "did you mean 'paris/tunnel/paris-tokyo'?"),
        ("zzz", "name a router (paris, tokyo), a tunnel (paris-tokyo, tokyo-paris), or router/kind/name"),
    ],
)
def test_a_name_that_selects_nothing_is_refused(
    stage: Stage, words: tuple[str, ...], option: str, name: str, hint: str
) -> None:
    stage.reconnect()
    held = stage.live()
    code, shown = stage.run(*words, option, name)
    assert code == ExitCode.ERROR
    assert f"error: no router, tunnel or resource is called {name}\nhint: {hint}\n" in shown
    assert stage.live() == held


def test_what_is_excluded_may_be_on_the_routers_alone(stage: Stage) -> None:
    stage.site.commit(dict.fromkeys(ENDS))
    held = stage.live()
    for name in ("paris-tokyo", "paris/tunnel/paris-tokyo"):
        code, shown = stage.run("plan", "--exclude", name, "--exclude", "tokyo-paris")
        assert (code, "tw-paris-tokyo" in shown) == (ExitCode.OK, False), shown
    code, shown = stage.run("plan", "--exclude", "paris-tokio")
    assert (code, "did you mean 'paris-tokyo'?" in shown) == (ExitCode.ERROR, True)
    assert stage.live() == held
