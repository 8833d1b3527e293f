"""A child process: what it is given, how long it has, and what is left of it."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.doors.processes import ChildFailed, Timeouts, decoded, finished, minimal, never, running

AGES = Timeouts(600, 600)


def wrote(command: str, timeout: Timeouts = AGES) -> bytes:
    with running(["sh", "-c", command], minimal()) as child:
        return b"".join(chunk for is_error, chunk in child.chunks(timeout, never) if not is_error)


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Whether a process has ended; one whose parent has not waited for it yet is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_it_sees_what_it_is_given_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "PLANTED")
    monkeypatch.setenv("WANTED", "1")
    with running(["env"], minimal("WANTED")) as child:
        lines = b"".join(chunk for _, chunk in child.chunks(AGES, never)).decode().splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert {"PATH", "WANTED"} <= names <= {"PATH", "LC_ALL", "TMPDIR", "WANTED"}


def test_what_it_leaves_in_the_background_holds_up_no_caller_and_ends() -> None:
    """A connection that ssh keeps open has the streams of the command that began it."""
    pid = int(wrote("sleep 1000 & echo $!"))
    eventually(lambda: gone(pid))


@pytest.mark.parametrize(
    ("command", "timeout", "words"),
    [
        ("echo x; sleep 1000", Timeouts(0.5, 600), "no output for 0.5 s"),
        ("while echo x; do sleep 0.1; done", Timeouts(600, 1), "given up after 1 s in total"),
        ("yes", Timeouts(600, 1), "given up after 1 s in total"),
        ("exec >&- 2>&-; sleep 1000", Timeouts(0.5, 600), "no output for 0.5 s"),
        ("trap '' TERM; while :; do sleep 0.1; done", Timeouts(0.5, 600), "no output for 0.5 s"),
    ],
)
def test_it_has_a_bound_between_two_signs_of_life_and_in_all(
    command: str, timeout: Timeouts, words: str
) -> None:
    with pytest.raises(ChildFailed, match=words):
        wrote(command, timeout)


def test_its_exit_status_is_its_own() -> None:
    for command, code in (("exit 3", 3), ("kill -9 $$", -9), ("echo x; echo y >&2", 0)):
        with running(["sh", "-c", command], minimal()) as child:
            list(child.chunks(AGES, never))
            assert child.code() == code
    assert child.said() == "y"


def test_a_program_that_is_not_there_is_an_error_with_words() -> None:
    with pytest.raises(ChildFailed, match="no-such-program cannot be run"), running(["no-such-program"], {}):
        pass


def test_foreign_words_are_printable_and_without_credentials() -> None:
    assert decoded(b"a\x1b[31m\xff https://me:secret@host/x\x07") == "a\\x1b[31m\\xff https://host/x\\x07"


class Late(selectors.DefaultSelector):
    """As on a machine that is busy: a look that found nothing is reported once the child has ended."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout)
        if not found:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        return found


def test_what_it_writes_at_its_very_end_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", Late)
    assert wrote("sleep 1; echo late") == b"late\n"


def test_a_program_is_run_to_its_end_with_a_file_for_its_input() -> None:
    done = finished(
        ["sh", "-c", "cat; cat /dev/stdin; echo x >&2; exit 3"], b"given\n", minimal(), seconds=60, most=20
    )
    assert (done.status, done.output, done.errors, done.said) == (3, b"given\ngiven\n", b"x\n", "x")


def test_what_a_program_is_given_is_never_on_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a password in a URL; and a full disk does not keep it from being reported."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    done = finished(["readlink", "/proc/self/fd/0"], b"given", minimal(), seconds=60, most=100)
    assert done.output.startswith(b"/memfd:")


@pytest.mark.parametrize("stream", ["1", "2"])
def test_each_output_of_a_program_has_a_bound(stream: str) -> None:
    with pytest.raises(ChildFailed, match="wrote more than 20 bytes"):
        finished(["sh", "-c", f"yes >&{stream}"], b"", minimal(), seconds=60, most=20)


def test_nothing_of_a_program_that_takes_too_long_outlives_it(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(ChildFailed, match="given up after 1 s in total"):
        finished(["sh", "-c", script], b"", minimal(), seconds=1, most=20)
    pid = int((tmp_path / "child").read_text())
    eventually(lambda: gone(pid))


def test_there_is_no_terminal_at_which_a_program_could_ask() -> None:
    with running(["sleep", "1000"], minimal()) as child:
        assert os.getsid(child.process.pid) == child.process.pid
