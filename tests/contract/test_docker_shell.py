"""One shell in a container runs command after command, as if each were started by itself."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.engine import until
from lab.session import Lab
from lab.topology import Role
from reconciler.model import bounds
from reconciler.model.errors import RouterUnreachable
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.docker_exec import run_in_container
from reconciler.routers.docker_router import DockerLink, DockerRouter
from reconciler.routers.docker_shell import ContainerShell
from reconciler.routers.links import Links
from reconciler.routers.shell_host import Completed
from tests.fabrics import two_routers

pytestmark = pytest.mark.engine

NASTY = ["'", '"', "$(reboot)", "`", "\\", "\n", "%s", "-n", "", "é", "\t*", "; exit 7", "<<EOF", "!", "#"]


@contextlib.contextmanager
def _shell(lab: Lab) -> Iterator[ContainerShell]:
    with lab.engine.connect() as client:
        shell = ContainerShell(client, lab.container(Role.ROUTER, "paris"))
        try:
            yield shell
        finally:
            shell.close()


def _run(shell: ContainerShell, *argv: str, stdin: bytes = b"", seconds: float = 20.0) -> Completed:
    limits = Limits(seconds, 4 * bounds.MIB)
    return shell.run(argv, stdin, Allowance(limits, "paris", argv[0]))


def test_no_byte_is_lost_or_changed_on_either_way(contract_lab: Lab) -> None:
    every = bytes(range(256))
    # More than one line takes goes another way.
    large = [every * 256, every * 256 + b"x"]
    inputs = [b"", b"x", b"\n", b"'", b"\\0101", b"%s%n", every, every[::-1] * 40, *large]
    with _shell(contract_lab) as shell:
        for sent in inputs:
            done = _run(shell, "sh", "-c", "cat; printf end >&2; exit 3", stdin=sent)
            assert (done.status, done.stdout, done.stderr) == (3, sent, b"end")


def test_arguments_are_words(contract_lab: Lab) -> None:
    with _shell(contract_lab) as shell:
        done = _run(shell, "sh", "-c", 'for word do printf "%s\\0" "$word"; done', "sh", *NASTY)
    assert done.stdout.decode().split("\0")[:-1] == NASTY


def test_commands_share_nothing_but_the_shell(contract_lab: Lab) -> None:
    with _shell(contract_lab) as shell:
        assert _run(shell, "true").status == 0
        assert _run(shell, "false").status == 1
        assert _run(shell, "no-such-command").status == 127
        assert _run(shell, "cat").stdout == b"", "the next command is no input of this one"
        assert _run(shell, "sh", "-c", "kill -KILL $$").status == 128 + 9
        first, second = (_run(shell, "sh", "-c", "echo $PPID").stdout for _ in range(2))
        assert first == second


def test_a_flood_of_errors_is_cut_and_hides_no_end(contract_lab: Lab) -> None:
    with _shell(contract_lab) as shell:
        done = _run(shell, "sh", "-c", "head -c 1000000 /dev/zero >&2; printf said; exit 5")
        assert (done.status, done.stdout) == (5, b"said")
        assert bounds.ROUTER_STDERR_BYTES <= len(done.stderr) < 2 * 65536
        assert _run(shell, "echo", "next").stdout == b"next\n"


def test_what_a_command_given_up_says_is_no_answer_to_the_next(contract_lab: Lab) -> None:
    with _shell(contract_lab) as shell:
        with pytest.raises(RouterUnreachable, match="no complete answer"):
            _run(shell, "sh", "-c", "printf early; sleep 2; printf late", seconds=1)
        for number in range(20):
            assert _run(shell, "echo", f"{number}").stdout == f"{number}\n".encode()


@pytest.mark.parametrize("stdin", [b"", b"x", b"x" * 70_000], ids=["run", "feed", "alone"])
def test_a_command_that_is_given_up_ends_with_all_that_it_started(contract_lab: Lab, stdin: bytes) -> None:
    """Also what is in a session of its own, or ignores being asked; what another command has left goes on."""

    def there() -> set[str]:
        seen = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
        said = contract_lab.exec(Role.ROUTER, "paris", ["sh", "-c", seen]).stdout
        return {word for word in ("2711", "2712", "2713", "2714") if f"sleep {word} " in said}

    given_up = "cat >/dev/null; setsid sleep 2711 & trap '' TERM; (sleep 2712) & printf early; sleep 2713"
    with _shell(contract_lab) as shell:
        other = "sleep 2714 >/dev/null 2>&1 </dev/null & echo $!"
        left = _run(shell, "sh", "-c", other).stdout.decode().strip()
        with pytest.raises(RouterUnreachable, match="no complete answer"):
            _run(shell, "timeout", "300", "sh", "-c", given_up, stdin=stdin, seconds=4)
        assert until(lambda: there() == {"2714"}, 20)
        assert _run(shell, "kill", left).status == 0
        assert until(lambda: not there(), 10)


def test_what_is_written_between_two_commands_is_no_answer(contract_lab: Lab) -> None:
    with _shell(contract_lab) as shell:
        assert _run(shell, "sh", "-c", "(sleep 0.2; echo FORGED) & true").status == 0
        assert until(lambda: not shell.alive(), 10)
        assert _run(shell, "echo", "mine").stdout == b"mine\n"


def test_a_shell_that_is_killed_is_a_failure_of_one_command(contract_lab: Lab) -> None:
    with _shell(contract_lab) as shell:
        done = _run(shell, "sh", "-c", "echo why >&2; kill -KILL $PPID; sleep 1")
        assert done.status != 0
        assert done.stdout == b""
        assert _run(shell, "echo", "again").stdout == b"again\n"


def test_no_argument_of_a_process_has_what_was_sent(contract_lab: Lab) -> None:
    key = b"correct horse battery staple"
    seen = "cat > /dev/null; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    with _shell(contract_lab) as shell:
        assert key not in _run(shell, "sh", "-c", seen, stdin=key * 3).stdout


def test_it_ends_with_who_started_it(contract_lab: Lab) -> None:
    with _shell(contract_lab) as shell:
        pid = _run(shell, "sh", "-c", "echo $PPID").stdout.decode().strip()
        assert shell.alive()
    command = ["sh", "-c", f"test -e /proc/{pid}"]
    assert until(lambda: contract_lab.exec(Role.ROUTER, "paris", command).exit_code != 0, 10)


HOLDS = """
import sys
from docker import APIClient
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.docker_exec import run_in_container
from reconciler.routers.docker_shell import ContainerShell

shell = ContainerShell(APIClient(base_url=sys.argv[1], version="auto"), sys.argv[2])
allowance = Allowance(Limits(20, 1000), "paris", "echo")
print(shell.run(["sh", "-c", "echo $PPID"], b"", allowance).stdout.decode(), flush=True)
sys.stdin.read()
"""


def test_it_ends_with_a_process_that_is_killed(contract_lab: Lab) -> None:
    container = contract_lab.container(Role.ROUTER, "paris")
    words = [sys.executable, "-c", HOLDS, contract_lab.engine.url, container]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        there = ["test", "-e", f"/proc/{process.stdout.readline().strip()}"]
        assert contract_lab.exec(Role.ROUTER, "paris", there).exit_code == 0
        process.kill()
    assert until(lambda: contract_lab.exec(Role.ROUTER, "paris", there).exit_code != 0, 10)


def test_a_router_keeps_it_for_the_next_look_unless_it_has_ended(contract_lab: Lab) -> None:
    desired = two_routers().routers["paris"]

    def used(links: Links) -> DockerLink:
        router = DockerRouter(desired, contract_lab.name, links)
        assert router.host.snapshot(["net/ipv4/ip_forward"]).sysctls
        router.close()
        return router._lease.link

    with Links() as links:
        first = used(links)
        assert used(links) is first
        with contract_lab.engine.connect() as client:
            run_in_container(
                client, contract_lab.container(Role.ROUTER, "paris"), ["pkill", "-KILL", "-x", "sh"]
            )
        assert until(lambda: not first.alive(), 10)
        assert used(links) is not first
