"""The lab's command line: light to import, and complete."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from lab.cli import register
from lab.containers import Found
from lab.session import choose_node
from lab.topology import LabRefused


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser()
    register(top.add_subparsers())
    return top


@pytest.mark.parametrize(
    ("words", "run"),
    [
        (["lab", "up"], "run_up"),
        (["lab", "verify", "desired_state", "--rev", "HEAD~1", "--pcap", "x", "--target", "t"], "run_verify"),
        (["lab", "shell", "paris", "--name", "pr-1", "-c", "swanctl --list-sas"], "run_shell"),
        (["lab", "down", "--name", "pr-1", "--json"], "run_down"),
    ],
)
def test_subcommands(words: list[str], run: str) -> None:
    assert parser().parse_args(words).run == f"lab.commands:{run}"


def test_the_name_has_a_default() -> None:
    assert parser().parse_args(["lab", "up"]).name == "default"


def test_registering_imports_nothing_heavy() -> None:
    code = (
        "import sys, lab.cli;"
        "heavy = {'docker', 'scapy', 'cryptography', 'vici', 'rich', 'requests'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def found(role: str, name: str) -> Found:
    labels = {"tunnelwright.role": role, "tunnelwright.name": name}
    return Found("id", f"tw-l-{role}-{name}", running=True, labels=labels)


def test_nodes_are_chosen_by_name_routers_first() -> None:
    nodes = [found("host", "a"), found("router", "a"), found("bystander", "internet"), found("wire", "l")]
    assert choose_node(nodes, "l", "a") == "tw-l-router-a"
    assert choose_node(nodes, "l", "internet") == "tw-l-bystander-internet"
    assert choose_node(nodes, "l", "wire") == "tw-l-wire-l"
    with pytest.raises(LabRefused) as refused:
        choose_node(nodes, "l", "b")
    assert refused.value.hint == "there are: a, a, internet, wire"
    with pytest.raises(LabRefused):
        choose_node([], "l", "wire")
