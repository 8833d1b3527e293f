"""`reconcile --check`, and what a service does with a file that it cannot write."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import git
import pytest

from reconciler.cli.main import main
from reconciler.cli.service_state import only_reconciler
from reconciler.model.errors import ExitCode
from tests.repositories import new_repository

# Apprise's plugins import what Python 3.13 will not have.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

ROOT = Path(__file__).parents[3]
KEYS = ("site-a--site-b.psk", "site-a--site-c.psk")
STRONG = "v7#Tq2!mRz9@Lw4^Xb6&"


@dataclass(slots=True)
class Place:
    """A remote with the project's desired state, and all that settings may name."""

    folder: Path
    repository: git.Repo

    @property
    def config(self) -> Path:
        return self.folder / "reconcile.yaml"

    def private(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        path.chmod(mode)
        return path

    def commit(self) -> str:
        self.repository.git.add("--all")
        self.repository.git.commit("--message", "change")
        return str(self.repository.head.commit.hexsha)

    def check(self, *words: str) -> int:
        return main(["reconcile", "--check", "--config", str(self.config), *words])

    def files(self) -> dict[str, bytes]:
        """What is there, but for the copy of the repository with its lock, and what git keeps."""
        return {
            str(path): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
            if ".git" not in str(path) and path.name != "repository.lock"
        }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path, new_repository(tmp_path / "remote"))
    shutil.copytree(ROOT / "tests" / "sites", tmp_path / "remote" / "desired_state")
    found.commit()
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "psk").mkdir()
    (tmp_path / "state").mkdir(mode=0o700)
    for name in KEYS:
        found.private(f"keys/psk/{name}", STRONG)
    found.private("hook", "a secret")
    found.private("token", "a-token")
    found.private("chat", "json://localhost/path")
    found.private("signers", "")
    found.config.write_text(
        f"repository: {tmp_path}/remote\nstate: {tmp_path}/state\nsecrets: {tmp_path}/keys\n"
        f"listen: {{webhookSecretFile: {tmp_path}/hook}}\n"
        f"status: {{forge: github, project: a/b, tokenFile: {tmp_path}/token}}\n"
        f"notify: [{{urlFile: {tmp_path}/chat}}]\n"
        f"metricsFile: {tmp_path}/tunnelwright.prom\n"
    )
    return found


def test_a_check_says_what_counts_and_changes_nothing(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNNELWRIGHT_LISTEN__PORT", "8081")
    before, head = place.files(), str(place.repository.head.commit.hexsha)
    assert place.check() == ExitCode.OK
    assert place.files() == before
    shown = capsys.readouterr()
    assert shown.err == ""
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.out.splitlines()}
    assert rows["listen.port"] == "8081 environment variable TUNNELWRIGHT_LISTEN__PORT"
    assert rows["branch"] == "main default"
    assert rows["status.project"] == f"a/b {place.config}:5:34"
    assert rows["Ready:"] == f"{head[:12]} of main: 3 routers, 4 tunnel ends, 2 keys"
    assert place.check("--json") == ExitCode.OK
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"type": "setting", "setting": "interval", "value": 60, "from": "default"} in objects
    assert objects[-1] == {
        "type": "ready", "commit": head, "branch": "main", "routers": 3, "tunnels": 4, "keys": 2
    }  # fmt: skip


def test_a_check_finds_every_problem_at_once(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.private("hook", "")
    place.private("token", "a-token", 0o644)
    place.private("chat", "what is this")
    place.private("signers", "", 0o666)
    place.private(f"keys/psk/{KEYS[0]}", STRONG, 0o640)
    place.config.write_text(
        place.config.read_text().replace("tunnelwright.prom", "nowhere/tunnelwright.prom")
        + f"signatures: {{allowedSigners: {place.folder}/signers, keyring: {place.folder}/gnupg}}\n"
    )
    assert place.check() == ExitCode.ERROR
    shown = capsys.readouterr()
    assert "Ready" not in shown.out
    for problem in (
        f":4:29: error: {place.folder}/hook is empty [listen.webhookSecretFile] (file-unusable)",
        "/token may be read by others (mode 0644): chmod 600 it [status.tokenFile] (file-unusable)",
        "the file does not contain an Apprise URL [notify[0].urlFile] (file-unusable)",
        f"{place.folder}/nowhere is not a writable folder [metricsFile] (file-unusable)",
        "/signers may be written by everyone (mode 0666): chmod o-w it [signatures.allowedSigners]",
        f"{place.folder}/gnupg: No such file or directory [signatures.keyring] (file-unusable)",
        "is not signed with an allowed key",
        f"keys are missing: file:{KEYS[0]}: {place.folder}/keys/psk/{KEYS[0]} may be read by others",
        "8 errors",
    ):
        assert problem in shown.err, shown.err
    assert "a-token" not in shown.err


def test_a_check_finds_every_extra_that_is_missing(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("apprise", "docker", "hvac"):
        monkeypatch.setitem(sys.modules, package, None)
    for path in (place.folder / "remote").rglob("*.yaml"):
        text = path.read_text()
        path.write_text(text.replace(f"file: {KEYS[0]}", "vault: {path: secret/tunnelwright/a, field: psk}"))
    place.commit()
    assert place.check() == ExitCode.ERROR
    said = capsys.readouterr().err
    for problem in (
        "a Python package is not installed: apprise [notify[0].urlFile] (extra-missing)\n"
        "    hint: pip install 'tunnelwright[messages]'",
        "a Python package is not installed: docker [folder] (extra-missing)\n"
        "    hint: pip install 'tunnelwright[docker]'",
        "keys are missing: vault:secret/tunnelwright/a#psk: a Python package is not installed: hvac",
        "    hint: pip install 'tunnelwright[vault]'",
        "3 errors",
    ):
        assert problem in said, said


@pytest.mark.parametrize(
    ("edit", "code", "said"),
    [
        (("/remote", "/elsewhere"), ExitCode.ERROR, "[repository] (repository-unavailable)"),
        (("/state", "/token"), ExitCode.ERROR, "token is not a writable folder [state]"),
        (
            ("repository:", "branch: mian\nrepository:"),
            ExitCode.ERROR,
            "reconcile.yaml:1:9: error: {remote} has no branch mian [branch] (branch-missing)\n"
            "    hint: did you mean 'main'?",
        ),
        (
            ("repository:", "branch: other\nrepository:"),
            ExitCode.ERROR,
            "has no branch other [branch] (branch-missing)\n    hint: the branches are main\n",
        ),
        (("repository:", "folder: other\nrepository:"), ExitCode.ERROR, "[folder] (folder-unavailable)"),
        (("project: a/b", "project: a/b/c"), ExitCode.ERROR, "'a/b/c' is not the name of a github project"),
        (("repository:", "repo:"), ExitCode.INVALID, "the field 'repo' is unknown here"),
    ],
)
def test_what_a_check_ends_with(
    place: Place, edit: tuple[str, str], code: ExitCode, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.config.write_text(place.config.read_text().replace(*edit, 1))
    assert place.check() == code
    shown = capsys.readouterr().err
    assert said.format(remote=place.folder / "remote") in shown
    assert shown.count("(repository-unavailable)") == said.count("(repository-unavailable)")


def test_of_many_branches_some_are_reported(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.config.write_text(f"branch: zzz\n{place.config.read_text()}")
    for number in range(30):
        place.repository.git.branch(f"topic-{number:02}")
    assert place.check() == ExitCode.ERROR
    assert "hint: the branches are main, topic-00" in (shown := capsys.readouterr().err)
    assert "and 19 more" in shown
    assert not list((place.folder / "state").glob("*new*")), "no new copy was tried"


def test_a_run_says_that_it_has_made_a_key_of_fingerprints(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place.folder}/none.sock")
    for count in (1, 0):
        main(["reconcile", "--once", "--config", str(place.config)])
        said = capsys.readouterr().err
        assert said.count(f"note: {place.folder}/keys/fingerprint.key was made") == count


def test_two_reconcilers_do_not_use_one_state(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    once = ["reconcile", "--once", "--config", str(place.config)]
    with only_reconciler(place.folder / "state", print):
        assert main(once) == ExitCode.LOCKED
        assert "another `tunnelwright reconcile` runs with the state" in capsys.readouterr().err
        assert not (place.folder / "state" / "history.db").exists(), "it has not begun anything"
        assert place.check() == ExitCode.OK
    assert main(once) == ExitCode.INCOMPLETE
    assert (place.folder / "state" / "history.db").exists()


def test_a_state_that_cannot_be_locked_is_no_reason_not_to_reconcile(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "state").touch()
    with only_reconciler(tmp_path / "state", said.append):
        assert said == [f"{tmp_path}/state cannot be locked against other reconcilers: File exists"]


def test_a_run_says_which_branches_there_are(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.config.write_text(f"branch: mian\n{place.config.read_text()}")
    assert main(["reconcile", "--once", "--config", str(place.config)]) == ExitCode.ERROR
    shown = capsys.readouterr()
    assert "remote has no branch mian (did you mean 'main'?)" in shown.out + shown.err


def test_a_commit_that_is_not_valid_is_reported_by_its_lines(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    tunnel = place.folder / "remote/desired_state/site-a/a-to-c.yaml"
    tunnel.write_text(tunnel.read_text().replace("10.3.0.0/24", "10.3.0.1/24"))
    place.commit()
    place.private("hook", "")
    assert place.check() == ExitCode.INVALID, "what Git is to blame for goes first"
    said = capsys.readouterr().err
    assert "desired_state/site-a/a-to-c.yaml:16:13: error: 10.3.0.1/24 has bits set" in said
    assert "hook is empty" in said


def test_a_check_misses_the_folder_where_its_own_key_would_be_made(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        (place.folder / "keys" / "psk" / name).unlink()
    for path in (place.folder / "remote").rglob("*.yaml"):
        text = path.read_text()
        for name in KEYS:
            text = text.replace(f"file: {name}", "env: TUNNELWRIGHT_KEY_ONE")
        path.write_text(text)
    place.commit()
    place.config.write_text(place.config.read_text().replace("/keys", "/token/keys"))
    monkeypatch.setenv("TUNNELWRIGHT_KEY_ONE", STRONG)
    assert place.check() == ExitCode.ERROR
    assert "cannot create" in capsys.readouterr().err


def test_a_password_in_the_address_of_the_repository_is_not_shown(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.config.write_text(f"repository: http://me:hun@ter2@127.0.0.1:1/x\nstate: {place.folder}/state\n")
    assert place.check() == ExitCode.ERROR
    shown = capsys.readouterr()
    assert "http://127.0.0.1:1/x" in shown.out
    assert "ter2" not in shown.out + shown.err


def test_metrics_that_cannot_be_written_are_reported_once_and_stop_nothing(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "remote")
    (tmp_path / "remote/desired_state").mkdir()
    shutil.copy(ROOT / "desired_state/wan.yaml", tmp_path / "remote/desired_state")
    repository.git.add("--all")
    repository.git.commit("--message", "a network")
    config = tmp_path / "reconcile.yaml"
    config.write_text(
        f"repository: {tmp_path}/remote\nstate: {tmp_path}/state\nsecrets: {tmp_path}/keys\n"
        f"interval: 1\nmetricsFile: {tmp_path}/later/tunnelwright.prom\n"
    )
    words = [sys.executable, "-m", "reconciler", "reconcile", "--config", str(config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stderr is not None
        runs = [service.stdout.readline() for _ in range(3)]
        (tmp_path / "later").mkdir()
        runs += [service.stdout.readline() for _ in range(2)]
        service.send_signal(signal.SIGTERM)
        said = service.stderr.read()
    assert all("in sync" in run for run in runs), runs
    assert service.returncode == ExitCode.OK
    where = f"{tmp_path}/later/tunnelwright.prom"
    assert said == f"warning: metricsFile: cannot write {where}: No such file or directory\n"
    assert "tunnelwright_runs_total" in Path(where).read_text()
