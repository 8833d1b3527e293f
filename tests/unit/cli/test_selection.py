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


@pytest.mark.parametrize(
    "words", [("-l", "site=paris"), ("--target", "site in (paris)"), ("--exclude", "!site")]
)
def test_labels_select_as_names_do(stage: Stage, words: tuple[str, ...]) -> None:
    """The label of a router concerns its tunnels too, and so both of their ends."""
    stage.site.edit("paris.yaml", "{name: paris}", "{name: paris, labels: {site: paris}}")
    stage.reconnect()
    code, shown = stage.run("plan", *words)
    assert (code, "paris/tunnel/paris-tokyo" in shown, "tokyo/tunnel/tokyo-paris" in shown) == (
        ExitCode.OK,
        words[0] != "--exclude",
        words[0] != "--exclude",
    ), shown
    code, shown = stage.run("status", "--json", "-l", "site=paris")
    assert (code, '"paris-tokyo"' in shown) == (ExitCode.OK, True)
    code, shown = stage.run("status", "-l", "site=rome")
    assert (code, "the labels are: site=paris" in shown) == (ExitCode.ERROR, True)


def test_what_is_no_label_selector_is_refused(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stage.run("plan", "-l", "site=a=b")
    assert "must be a label selector" in capsys.readouterr().err
