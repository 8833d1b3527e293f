"""`--target` and `--exclude` name something, or are refused: a misspelt name selects nothing."""

from __future__ import annotations

import pytest

from reconciler.cli.main import main
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


SITES = (("paris.yaml", "{name: paris}", "{name: paris, labels: {site: paris}}"),)


@pytest.fixture
def labelled(stage: Stage) -> Stage:
    """The label of a router, at which one end of the only tunnel is; everything is applied."""
    for file, old, new in SITES:
        stage.site.edit(file, old, new)
    assert stage.apply()[0] == ExitCode.OK
    return stage


@pytest.mark.parametrize("command", ["verify", "diagnose", "reconnect", "log"])
def test_labels_that_select_nothing_are_an_error_of_every_command(labelled: Stage, command: str) -> None:
    held = labelled.live()
    code, shown = ran(labelled, command, "-l", "site=rome", str(labelled.site.tree))
    assert code == ExitCode.ERROR
    assert "error: no router or tunnel has labels that match\nhint: the labels are: site=paris\n" in shown
    assert labelled.live() == held


def test_what_labels_select_is_verified_at_both_ends(labelled: Stage) -> None:
    for words in (("-l", "site=paris"), ("--target", "tokyo"), ("--target", "paris-tokyo")):
        code, shown = labelled.run("verify", *words)
        assert (code, "paris-tokyo" in shown, "tokyo-paris" in shown) == (ExitCode.OK, True, True), shown
    code, shown = labelled.run("verify", "--target", "pariss")
    assert (code, "did you mean 'paris'?" in shown) == (ExitCode.ERROR, True)


def test_what_labels_select_is_reconnected_once(labelled: Stage) -> None:
    """At one end: the other one follows."""
    code, shown = labelled.main(
        "reconnect", "-l", "site=paris", str(labelled.site.tree), "--auto-approve", "--wait", "0.1"
    )
    assert code == ExitCode.OK, shown
    assert shown.count("terminate the SAs of tw-paris-tokyo, then bring it up again") >= 1
    assert "terminate the SAs of tw-tokyo-paris" not in shown


@pytest.mark.parametrize("command", ["reconnect", "log"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "error: no tunnel is named\nhint: name a tunnel, or select tunnels with -l LABELS\n"),
        (("paris-tokyo", "-l", "site=paris"), "error: a tunnel is named, and labels select tunnels too\n"),
    ],
)
def test_a_tunnel_is_named_or_selected(
    labelled: Stage, command: str, words: tuple[str, ...], said: str
) -> None:
    code, shown = ran(labelled, command, *words)
    assert (code, said in shown) == (ExitCode.ERROR, True), shown


def test_the_log_of_what_labels_select_is_read(labelled: Stage) -> None:
    code, shown = ran(labelled, "log", "-l", "site=paris", str(labelled.site.tree), "--seconds", "0")
    assert (code, "error" in shown) == (ExitCode.OK, False), shown


def ran(stage: Stage, command: str, *words: str) -> tuple[int, str]:
    """`log` needs no keys."""
    if command != "log":
        return stage.main(command, *words)
    stage.capsys.readouterr()
    code = main([command, *words])
    shown = stage.capsys.readouterr()
    return code, shown.out + shown.err
