"""The console script where a standard stream is closed, full, without a reader, or not UTF-8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.cli.streams import READER_GONE
from reconciler.model.errors import ExitCode
from tests.allowed import ALLOWED
from tests.repositories import new_repository
from tests.unit.outputs.nasty import write_broken_tree
from tests.unit.outputs.parsing import check_lines

ROOT = Path(__file__).parents[3]
SCRIPT = str(Path(sys.executable).with_name("tunnelwright"))
FULL, UNREAD, CLOSED = "No space left on device", "Broken pipe", "Bad file descriptor"

# What says something without a router, and how it ends.
COMMANDS: dict[str, int] = {
    "--help": ExitCode.OK,
    "validate desired_state": ExitCode.OK,
    "validate broken --json": ExitCode.INVALID,
    "graph desired_state": ExitCode.OK,
    "peer-sheet a-to-b desired_state --format vyos": ExitCode.OK,
    "preview desired_state --base HEAD --format sarif": ExitCode.OK,
    "history --config reconcile.yaml --json": ExitCode.OK,
    "secret init --tree desired_state --secrets secrets": ExitCode.OK,
}
NO_UTF_8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


def run(folder: Path, words: list[str], redirections: str = "", **environment: str) -> Ended:
    """Through a shell, which opens the streams."""
    inherited = {k: v for k, v in os.environ.items() if k not in {"PYTHONIOENCODING", "PYTHONUTF8"}}
    there = {
        "XDG_CONFIG_HOME": str(folder / "config"),
        "DOCKER_HOST": f"unix://{folder}/no-engine.sock",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *words],
        cwd=folder,
        env={name: value for name, value in {**inherited, **there, **environment}.items() if value},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's desired state in a repository, a broken one, and settings."""
    repository = new_repository(tmp_path)
    shutil.copytree(ROOT / "desired_state", tmp_path / "desired_state")
    write_broken_tree(tmp_path / "broken")
    (tmp_path / "reconcile.yaml").write_text(f"repository: {tmp_path}\nstate: {tmp_path}/state\n")
    repository.git.add("desired_state")
    repository.git.commit("--message", "all")
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS)
def test_a_stream_that_takes_nothing_costs_the_output_alone(words: str, folder: Path) -> None:
    code = COMMANDS[words]
    found = run(folder, [SCRIPT, *words.split()], ">/dev/full")
    assert (found.code, found.out) == (code or ExitCode.ERROR, "")
    assert found.err.endswith(f"error: standard output could not be written in full: {FULL}\n")
    assert "Traceback" not in found.err
    assert run(folder, [SCRIPT, *words.split()], "<&- >&- 2>&-").code == (code or ExitCode.ERROR)


@pytest.mark.parametrize("redirections", ["2>/dev/full", "2>&-", "<&- 2>&-"])
def test_lost_words_beside_the_output_change_nothing(redirections: str, folder: Path) -> None:
    found = run(folder, [SCRIPT, "validate", "broken", "--json"], redirections)
    assert (found.code, found.err) == (ExitCode.INVALID, "")
    assert json.loads(found.out.splitlines()[-1])["type"] == "diagnostic"


def test_a_closed_output_is_said(folder: Path) -> None:
    found = run(folder, [SCRIPT, "validate", "desired_state"], ">&-")
    said = f"error: standard output could not be written in full: {CLOSED}\n"
    assert (found.code, found.err) == (ExitCode.ERROR, said)


def test_a_file_opened_later_is_not_standard_output(folder: Path) -> None:
    """A closed stream's number is the next file's: what a library or a child writes would go into it."""
    script = (
        "import os\nfrom reconciler.cli.streams import program\n"
        "def main():\n"
        "    with open('file', 'w', encoding='utf-8') as file:\n"
        "        print('for standard output', flush=True)\n"
        "        os.system('echo from a child; echo and its errors >&2')\n"
        "        return file.fileno()\n"
        "program(main)"
    )
    found = run(folder, [sys.executable, "-c", script], "<&- >&- 2>&-")
    assert found.code > 2
    assert (folder / "file").read_bytes() == b""


def test_the_reader_of_a_pipe_may_stop(folder: Path) -> None:
    """Real pipes: one whose reader takes a byte, one whose reader has gone before."""
    done = run(folder, ["sh", "-c", f"{SCRIPT} graph desired_state | head -c1"])
    assert (done.code, done.out) == (0, "f")
    assert "Traceback" not in done.err
    gone = without_reader([SCRIPT, "graph", "desired_state"], folder)
    assert (gone.returncode, gone.stderr.decode()) == (
        READER_GONE,
        f"error: standard output could not be written in full: {UNREAD}\n",
    )


def without_reader(words: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            words, cwd=folder, env=environment, stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)


def test_a_stream_that_does_not_wait_is_waited_for() -> None:
    """As Node may leave the pipes of its children."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    script = "from reconciler.cli.streams import program; program(lambda: print('x' * 10**6) or 0)"
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=writer) as process:
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            assert file.read() == b"x" * 10**6 + b"\n"
    assert process.returncode == 0


def test_a_process_ends_without_freeing_what_a_command_has_made() -> None:
    """What is registered for its end is done, and what that writes is written."""
    script = (
        "import atexit\nfrom reconciler.cli import collector\nfrom reconciler.cli.streams import program\n"
        "class Kept:\n"
        "    def __del__(self): print('freed')\n"
        "def main():\n"
        "    collector.keep(Kept())\n"
        "    atexit.register(print, 'registered')\n"
        "    return 7\n"
        "program(main)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"registered\n", b"")


def test_a_process_with_other_threads_waits_for_them() -> None:
    script = (
        "import threading\nfrom reconciler.cli.streams import program\n"
        "def late():\n"
        "    threading.main_thread().join()\n"
        "    print('late', flush=True)\n"
        "program(lambda: threading.Thread(target=late).start() or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"late\n", b"")


APPLY = """
import atexit, json, sys
from pathlib import Path
import reconciler.apply.establish
from reconciler.cli import access
from reconciler.cli.main import entry
from reconciler.model.errors import CommandRejected
from reconciler.operations.observed_plan import observed_plan
from tests.unit.service.followed import followed, load_tree, validate

site = followed(Path.cwd())
reconciler.apply.establish.OVERLAP = 0.0
access.connector = lambda *_: site.connect
keys = str(site.folder / "secrets")
settings = {"repository": str(site.repository.working_dir), "state": f"{site.folder}/state", "secrets": keys}
Path("reconcile.yaml").write_text(json.dumps(settings))
if sys.argv[1:2] == ["fail"]:
    del sys.argv[1]
    def refuse(*_):
        raise CommandRejected("no", router="paris")
    site.routers["paris"].host.change_firewall = refuse
if sys.argv[1] == "apply":
    sys.argv += [str(site.tree), "--secrets", keys, "--auto-approve", "--wait", "0.1"]
def after():
    left = observed_plan(validate(load_tree(site.tree))[0], site.store(), site.fleet).plan
    locks = [router.host._lock[0] for router in site.routers.values()]
    Path("after.json").write_text(json.dumps({"left": len(left.changes), "locks": locks}))
atexit.register(after)
entry()
"""
RECONCILE = ["reconcile", "--once", "--config", "reconcile.yaml"]


@pytest.mark.parametrize(
    ("words", "redirections", "code"),
    [
        (["apply"], ">&-", ExitCode.ERROR),
        (["apply"], ">/dev/full", ExitCode.ERROR),
        (["apply"], ">&- 2>&-", ExitCode.ERROR),
        (["apply"], "| head -c1", ExitCode.OK),
        (["apply", "--json"], "gone", READER_GONE),
        (RECONCILE, "2>/dev/full >&2", ExitCode.ERROR),
        (RECONCILE, "gone", READER_GONE),
    ],
)
def test_an_apply_is_carried_to_its_end(
    words: list[str], redirections: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over routers in memory, in a process of its own: all is done and proven, no lock is left."""
    monkeypatch.setenv("KEY", "PLANTED-0f3c2b8e9a7d6c5b4a39281706f5e4d3")
    for name, value in ALLOWED.items():
        monkeypatch.setenv(name, value)
    whole = [sys.executable, "-c", APPLY, *words]
    if redirections == "gone":
        done = without_reader(whole, tmp_path)
        found = Ended(done.returncode, "", done.stderr.decode())
    elif redirections.startswith("|"):
        found = run(tmp_path, ["sh", "-c", f'"$@" {redirections}', "sh", *whole])
    else:
        found = run(tmp_path, whole, redirections)
    assert "Traceback" not in found.err
    assert found.code == code, found.err
    assert json.loads((tmp_path / "after.json").read_text()) == {"left": 0, "locks": ["", ""]}
    if code == READER_GONE:
        assert found.err.endswith(f"error: standard output could not be written in full: {UNREAD}\n")


def test_what_a_run_came_to_goes_before_its_lost_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "PLANTED-0f3c2b8e9a7d6c5b4a39281706f5e4d3")
    for name, value in ALLOWED.items():
        monkeypatch.setenv(name, value)
    found = run(tmp_path, [sys.executable, "-c", APPLY, "fail", "apply"], ">/dev/full")
    assert found.code == ExitCode.INCOMPLETE
    assert found.err.endswith(f"error: standard output could not be written in full: {FULL}\n")
    assert json.loads((tmp_path / "after.json").read_text())["locks"] == ["", ""]


@pytest.mark.parametrize("words", COMMANDS)
def test_neither_utf_8_nor_a_home_is_needed(words: str, folder: Path) -> None:
    """In ASCII alone, and with a home that is there and cannot be written to."""
    found = run(folder, [SCRIPT, *words.split()], HOME="/proc", XDG_CONFIG_HOME="", **NO_UTF_8)
    assert found.code == COMMANDS[words], found.err
    assert found.out.isascii()
    check_lines(found.out + found.err)
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "POSIX", "HOME": "/nonexistent"},
        {"PYTHONIOENCODING": "ascii", "HOME": ""},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=str,
)
def test_findings_are_reported_in_any_locale(environment: dict[str, str], folder: Path) -> None:
    found = run(folder, [SCRIPT, "validate", "broken"], **{"XDG_CONFIG_HOME": "", **environment})
    assert found.code == ExitCode.INVALID
    check_lines(found.err)
    assert "e\\xff.yaml" in found.err
    assert "Traceback" not in found.err


def test_files_are_the_same_in_any_locale(folder: Path) -> None:
    path = folder / "desired_state" / "x.yaml"
    path.write_text("kind: ü\n")
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", "x"], cwd=folder, check=True)
    for form in ("markdown", "junit"):
        words = ["preview", "desired_state", "--base", "HEAD~1", "--format", form, "--out"]
        assert run(folder, [SCRIPT, *words, "one"], LC_ALL="C.UTF-8").code == ExitCode.INVALID
        assert run(folder, [SCRIPT, *words, "two"], **NO_UTF_8).code == ExitCode.INVALID
        assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_missing_home_is_an_error_that_says_so() -> None:
    """A user without an account, as a container may be run as one."""
    script = (
        "import os\nfrom reconciler.model.errors import SecretUnavailable\n"
        "from reconciler.secrets import default_folder\n"
        "os.environ.pop('HOME', None); os.environ.pop('XDG_CONFIG_HOME', None); os.setuid(54321)\n"
        "try:\n    default_folder()\nexcept SecretUnavailable as error:\n    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "there is no home directory for keys\n"
