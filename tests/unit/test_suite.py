"""How the suite is run: over several workers, under load, again and again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNLIKE = ("CI", "PYTEST_", "TUNNELWRIGHT_TESTS_")
"""Variables that a run by itself has not."""


def run(folder: Path, text: str, *words: str, ci: bool) -> subprocess.CompletedProcess[str]:
    """A test file of its own, with this suite's hooks."""
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = engine: real routers\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNLIKE)}
    environment = kept | {"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-v", *words]
    return subprocess.run(
        [*command, str(folder)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "workers"])
def test_a_skipped_test_fails_where_everything_should_be_there(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    text = "import pytest\n@pytest.mark.skip(reason='no')\ndef test_a(): ...\ndef test_b(): ...\n"
    assert run(tmp_path, text, *words, ci=True).returncode == pytest.ExitCode.TESTS_FAILED


def test_a_skipped_test_fails_nowhere_else(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.mark.skip(reason='no')\ndef test_a(): ...\n"
    assert run(tmp_path, text, ci=False).returncode == pytest.ExitCode.OK


def test_what_shares_a_lab_stays_in_one_worker(tmp_path: Path) -> None:
    text = "import os, pytest\n@pytest.mark.parametrize('n', range({}))\ndef test_a(n):\n    {}\n"
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "test_lab.py").write_text(text.format(9, "print(os.environ['PYTEST_XDIST_WORKER'])"))
    done = run(tmp_path, text.format(9, "print('any')"), "-n", "2", "-rP", ci=False)
    workers = {line for line in done.stdout.splitlines() if re.fullmatch(r"gw\d", line)}
    assert (done.returncode, len(workers)) == (0, 1), done.stdout


def test_the_load_ends_with_the_command(tmp_path: Path) -> None:
    marker = tmp_path / "load"
    script = ROOT / "scripts" / "busy.sh"
    busy = f"pgrep -P $PPID -f 'busy [0-9]+$' | wc -l > {marker}; exit 3"
    done = subprocess.run(["sh", str(script), "sh", "-c", busy], check=False)
    assert done.returncode == 3
    assert int(marker.read_text()) > (os.cpu_count() or 1)


def test_a_repeated_run_stops_at_the_first_failure(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "repeat.sh"
    command = f"echo once >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) -lt 3"
    done = subprocess.run(
        ["sh", str(script), "5", str(tmp_path / "logs"), "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["01.log", "02.log", "03.log"]
    assert "run 3 of 5 failed" in done.stderr


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "workers"])
def test_a_run_ends_the_engine_that_it_has_started_and_no_other(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    stopped = tmp_path / "stopped"
    instead = f"import pathlib, tests.conftest as suite\nsuite.stop = pathlib.Path({str(stopped)!r}).touch\n"
    (tmp_path / "conftest.py").write_text(instead)
    assert run(tmp_path, "def test_a(): ...\n", *words, ci=False).returncode == 0
    assert not stopped.exists()
    touch = "Path(os.environ['TUNNELWRIGHT_TESTS_STARTED']).touch()"
    note = f"import os\nfrom pathlib import Path\ndef test_a(): {touch}\n"
    assert run(tmp_path, note, *words, ci=False).returncode == 0
    assert stopped.exists()
