"""A command's input and output in a container, byte for byte, however fast it answers."""

from __future__ import annotations

import pytest

from lab.session import Lab
from lab.topology import Role
from reconciler.routers.docker_exec import run_in_container

pytestmark = pytest.mark.engine


def test_no_byte_is_lost(lab: Lab) -> None:
    container = lab.container(Role.ROUTER, "paris")
    with lab.engine.connect() as client:
        for number in range(60):
            sent = bytes([number]) * (number * 1973)
            done = run_in_container(client, container, ["sh", "-c", "echo first; cat; echo last >&2"], sent)
            assert (done.status, done.stdout, done.stderr) == (0, b"first\n" + sent, b"last\n")
        assert run_in_container(client, container, ["sh", "-c", "exit 3"]).status == 3
