"""A router of one's own for the scripts: namespaces of this machine, in which files, nftables and addresses
are real. Its charon is a script that notes what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.facets.boot.charon import text_of
from reconciler.facets.firewall import nft_file
from reconciler.model.router_config import Firewall
from reconciler.model.way_back import Arming
from reconciler.routers.allowance import Allowance
from reconciler.routers.shell_host import Completed, ShellHost

TOOLS = ("unshare", "nsenter", "nft", "ip", "flock", "setsid", "tar")
FOLDER = "/etc/swanctl/conf.d"
_SETUP = Path(__file__).with_name("scratch.sh")
WAY = Arming("a" * 16, "me@here", "d" * 64, "c" * 40, 300)
PAIR = ("10.1.0.0/16", "10.2.0.0/16")
GUARDS = nft_file.render(Firewall(guarded=frozenset({PAIR}), mss=1300), {})
OTHERS = nft_file.render(Firewall(guarded=frozenset({("10.1.0.0/16", "10.2.3.0/24")}), mss=1300), {})


class Scratch:
    """One such router."""

    def __init__(self, process: int) -> None:
        self._process = process
        self.root = Path(f"/proc/{process}/root")
        self.host = ShellHost("paris", self._run, FOLDER)

    def sh(self, script: str, *arguments: str) -> str:
        """Run a script there; what it wrote. Raises CalledProcessError; TimeoutExpired for one that waits."""
        words = ["sh", "-c", script, "sh", *arguments]
        done = subprocess.run(self._inside(words), capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Run a command there, beside the test."""
        return subprocess.Popen(self._inside(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def path(self, place: str) -> Path:
        """Where a file of it is for the test."""
        return self.root / place.lstrip("/")

    def write(self, place: str, content: str = "", mode: int = 0o600) -> None:
        """A file there."""
        path = self.path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)

    def load(self, guards: str) -> None:
        """Its boot files, as far as they load the guards."""
        for name in ("guard.nft", "guard.good.nft"):
            self.write(f"/etc/tunnelwright/{name}", guards)
        self.write("/etc/tunnelwright/closed.nft", text_of("closed.nft"))
        self.write("/etc/tunnelwright/load", text_of("load.sh"), 0o700)

    def asked(self, program: str = "swanctl") -> list[str]:
        """What its charon, or its systemd, was asked for."""
        said = self.path("/run/asked")
        lines = said.read_text().splitlines() if said.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{program} ")]

    def _inside(self, words: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self._process}", "--mount", "--net", "--pid", "--", *words]

    def _run(self, argv: Sequence[str], stdin: bytes, _: Allowance) -> Completed:
        done = subprocess.run(self._inside(argv), input=stdin, capture_output=True, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)


@contextmanager
def scratch_router(folder: Path) -> Iterator[Scratch]:
    """One, in a folder that is left empty; with it ends whatever it has started."""
    if os.geteuid() != 0 or (missing := [tool for tool in TOOLS if shutil.which(tool) is None]):
        pytest.skip("it needs root" if os.geteuid() != 0 else f"it needs {', '.join(missing)}")
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words += ["sh", str(_SETUP), str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as outer:
        try:
            assert outer.stdout is not None
            assert outer.stderr is not None
            if outer.stdout.readline() != "ready\n":
                pytest.skip(f"this machine has no such namespaces: {outer.stderr.read().strip()}")
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text()
            yield Scratch(int(children.split()[0]))
        finally:
            outer.kill()
