"""A hint names a command that can be run as it stands."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from reconciler.cli.main import build_parser, main
from reconciler.cli.next_command import diagnose_hint
from reconciler.model.errors import CommandRejected, ExitCode
from tests.unit.cli.stage import Stage


@pytest.mark.parametrize(
    ("words", "tunnels", "command"),
    [
        ("apply", [], "tunnelwright diagnose"),
        (
            "apply --lab first --secrets keys",
            ["a-to-b"],
            "tunnelwright diagnose --lab first --secrets keys a-to-b",
        ),
        ("verify fabric --rev HEAD", ["b", "a"], "tunnelwright diagnose --rev HEAD fabric a b"),
        ("verify --rev HEAD", ["a"], "tunnelwright diagnose --rev HEAD desired_state a"),
        (
            "verify 'two words' --stand-in-keys",
            ["a", "a"],
            "tunnelwright diagnose --stand-in-keys 'two words' a",
        ),
        ("verify --lab x", ["a", "b", "c", "d"], "tunnelwright diagnose --lab x"),
    ],
)
def test_the_hint_has_what_the_command_needs(words: str, tunnels: list[str], command: str) -> None:
    hint = diagnose_hint(build_parser().parse_args(shlex.split(words)), tunnels)
    assert hint.text == f"hint: run `{command}` to find the cause"
    build_parser().parse_args(shlex.split(command)[1:])


def test_an_apply_to_a_silent_peer_names_the_tunnel_and_the_folder(stage: Stage) -> None:
    def silent(true: Any) -> Any:
        """charon waits for as long as it is asked to."""
        if true.args[2]["timeout"] != "-1":
            raise CommandRejected(f"CHILD_SA 'net' not established after {true.args[2]['timeout']}ms")
        return ()

    stage.both("dh-group14", "dh-group15")
    for name, router in stage.site.routers.items():
        router.vici.sas.clear()
        stage.site.twists[name] = {"initiate": silent}
    code, said = stage.apply()
    assert code == ExitCode.INCOMPLETE
    assert "no CHILD_SA within 0.1 s" in said
    assert "3000ms" not in said
    words = f"--secrets {stage.keys} {stage.site.tree} paris-tokyo"
    assert f"hint: run `tunnelwright diagnose {words}` to find the cause" in said
    assert main(["diagnose", *shlex.split(words)]) != ExitCode.ERROR
