"""The scripts that run on routers, run here: by each shell that a router may have, with words of any kind."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.model.errors import CommandRejected
from reconciler.model.secret import Secret
from reconciler.routers import scripts
from reconciler.routers.allowance import Allowance
from reconciler.routers.docker_shell import _line
from reconciler.routers.scripts import Script
from reconciler.routers.shell_host import Completed, ShellHost

FOLDER = Path(scripts.__file__).parent
SHELLS = [shell for shell in (["dash"], ["busybox", "sh"], ["bash", "--posix"]) if shutil.which(shell[0])]
NASTY = ["it's", '"two"', "$(reboot)", "`reboot`", "\\", "a\nb", "%s", "-n", "", "é", "* ?", "; exit 7", "#"]


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    return list(request.param)


def test_each_file_is_a_script_or_is_part_of_one() -> None:
    files = {path.name for path in FOLDER.glob("*.sh")}
    texts = "\n".join((FOLDER / name).read_text() for name in files)
    parts = set(re.findall(r"^\. \./(\S+)$", texts, re.MULTILINE))
    assert parts == {
        *("at-boot.sh", "held.sh", "record.sh", "running.sh", "take-off.sh"),
        *("leave-nothing.sh", "ours.sh", "sas.sh", "started.sh", "timer.sh", "way-back.sh"),
    }
    assert files - parts == set(Script)


@pytest.mark.parametrize("script", Script)
def test_what_is_sent_is_one_script_without_comments(shell: list[str], script: Script) -> None:
    sent = scripts.text(script)
    assert not re.search(r"^\s*#|^\. ", sent, re.MULTILINE)
    # Comments are taken away by line: a line of a here-document would be taken for one.
    assert "<<" not in sent
    subprocess.run([*shell, "-n"], input=sent, text=True, check=True)


def test_words_from_outside_are_never_read_as_shell(shell: list[str], tmp_path: Path) -> None:
    """The files of a router, in a folder whose name is a program, changed by the scripts themselves."""

    def run(argv: Sequence[str], stdin: bytes, _: Allowance) -> Completed:
        at = argv.index("sh")
        words = [*argv[:at], *shell, *argv[at + 1 :]]
        done = subprocess.run(words, input=stdin, capture_output=True, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    folder = tmp_path / '$(touch spilt) "it\'s"; `touch spilt`'
    host = ShellHost("paris", run, str(folder))
    host.write_files({"tw-a.conf": Secret(b"a {}"), "tw-$(touch spilt).conf": Secret(b"b {}")})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "tw-a.conf": b"a {}",
        "tw-$(touch spilt).conf": b"b {}",
    }
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    host.remove_files(["tw-$(touch spilt).conf"])
    read = host.read_files(f"{folder}/*.conf")
    assert {Path(path).name: content for path, content in read.items()} == {"tw-a.conf": Secret(b"a {}")}
    host.set_aside(str(folder / "tw-a.conf"))
    (folder / "tw-a.conf").write_text("anew")
    with pytest.raises(CommandRejected, match="is there already"):
        host.set_aside(str(folder / "tw-a.conf"))
    assert sorted(path.name for path in folder.iterdir()) == ["tw-a.conf", "tw-a.conf.adopted"]
    assert not list(tmp_path.rglob("spilt"))


@pytest.mark.parametrize("stdin", [b"", b"-n\0\n'\\\\", bytes(range(256))])
def test_a_container_shell_marks_the_end_of_every_command(shell: list[str], stdin: bytes) -> None:
    """Its own variables are no command's environment, even where the container has some of their names."""
    given = f"{scripts.text(Script.CONTAINER_SHELL)}\n".encode()
    program = 'cat; printf "%s|" "$@"; printf "[%s]" "${input-}"; echo wrote >&2; exit 5'
    given += _line(["sh", "-c", program, "sh", *NASTY], stdin, "MARK1", "first")
    given += _line(["sh", "-c", 'printf "%s|" "$TUNNELWRIGHT_COMMAND"; false'], b"", "MARK2", "second")
    done = subprocess.run(
        shell, input=given, capture_output=True, check=True, env={"PATH": "/usr/bin:/bin", "input": "its own"}
    )
    words = "".join(f"{word}|" for word in NASTY).encode()
    seen = b"" if stdin else b"its own"
    assert done.stdout == stdin + words + b"[" + seen + b"]MARK1 5\nsecond|MARK2 1\n"
    assert done.stderr == b"wrote\nMARK1\nMARK2\n"


def test_what_a_command_has_started_is_ended_by_its_name(shell: list[str]) -> None:
    """A process that ignores the signal, and one with a session of its own; nothing of another command."""
    mine, other = secrets.token_hex(16), secrets.token_hex(16)
    program = "trap '' TERM; setsid sleep 300 & echo $!; sleep 300 & echo $!; echo; wait"

    def begun(name: str) -> subprocess.Popen[bytes]:
        environment = {"PATH": "/usr/bin:/bin", "TUNNELWRIGHT_COMMAND": name}
        words = ["sh", "-c", program]
        return subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, start_new_session=True)

    with begun(mine) as given_up, begun(other) as kept:
        try:
            for process in (given_up, kept):
                assert process.stdout is not None
                for _ in range(3):
                    process.stdout.readline()
            subprocess.run([*shell, "-c", scripts.text(Script.END), "tunnelwright", mine], check=True)
            assert given_up.wait(10) != 0
            assert _named(mine) == []
            assert len(_named(other)) == 3
            assert kept.poll() is None
        finally:
            for number in (*_named(mine), *_named(other)):
                os.kill(number, signal.SIGKILL)


def _named(name: str) -> list[int]:
    """The processes with a name in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if name.encode() in place.read_bytes():
                found.append(int(place.parent.name))
    return found
