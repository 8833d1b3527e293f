"""A Git repository with the desired state of three sites, keys beside it, and the command line on it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import git
import pytest

from reconciler.cli.main import main
from tests.repositories import new_repository

ROOT = Path(__file__).parents[2]
KEYS = ("site-a--site-b.psk", "site-a--site-c.psk")
"""The keys of the project's desired state."""


@dataclass(slots=True)
class Repository:
    """`said` is everything that any command has written so far, on either stream."""

    folder: Path
    lab: str
    said: list[str] = field(default_factory=list)

    @property
    def tree(self) -> Path:
        """The folder of the desired state."""
        return self.folder / "desired_state"

    @property
    def secrets(self) -> Path:
        """The folder of the keys."""
        return self.folder / "secrets"

    def create(self, keys: dict[str, str]) -> None:
        """Copy the project's desired state, commit it, and write the keys."""
        shutil.copytree(ROOT / "tests" / "sites", self.tree)
        with new_repository(self.folder):
            (self.folder / ".gitignore").write_text("secrets/\n")
        self.commit("first")
        self.secrets.mkdir(mode=0o700)
        self.key("").mkdir()
        for name, key in keys.items():
            self.set_key(name, key)

    def key(self, name: str) -> Path:
        """The file of a key."""
        return self.secrets / "psk" / name

    def set_key(self, name: str, key: str) -> None:
        """Write one key file."""
        path = self.key(name)
        path.touch(mode=0o600)
        path.write_text(key)

    def commit(self, message: str) -> None:
        """Commit everything."""
        with git.Repo(self.folder) as repository:
            repository.git.add("--all")
            repository.git.commit("--message", message, "--allow-empty")

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a text in a file of the desired state."""
        path = self.tree / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def run(self, *words: str, lab: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `tunnelwright` on the tree at HEAD."""
        return self.run_plain(*self._words(*words, lab=lab))

    def run_plain(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `tunnelwright` with these words and no others, in this process: importing it takes longer
        than most commands do."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "200")
            try:
                code = main(words)
            except SystemExit as ended:
                code = int(ended.code or 0)
        return self._said(subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue()))

    def start(self, *words: str, lab: bool = True) -> subprocess.Popen[str]:
        """Start `tunnelwright` in a process of its own; `finish` waits for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *self._words(*words, lab=lab)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
        )

    def finish(
        self, process: subprocess.Popen[str], timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Wait for the end, and keep what was said."""
        out, err = process.communicate(timeout=timeout)
        return self._said(subprocess.CompletedProcess(process.args, process.returncode, out, err))

    def objects(self, *words: str) -> list[dict[str, Any]]:
        """Run with `--json` and read every line."""
        return [json.loads(line) for line in self.run(*words, "--json").stdout.splitlines()]

    def _words(self, *words: str, lab: bool) -> list[str]:
        command, *options = words
        where = ["--lab", self.lab, "--secrets", str(self.secrets)] if lab else []
        place = [] if options and Path(options[0]).is_file() else [str(self.tree), "--rev", "HEAD"]
        return [command, *place, *where, *options]

    def _said(self, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        self.said += [done.stdout, done.stderr]
        assert "Traceback" not in done.stderr
        return done
