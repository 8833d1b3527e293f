"""The reconciler's image, run as the compose file says, against real routers that it reaches by SSH."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import git
import pytest
from ruamel.yaml import YAML

from lab.engine import Engine, until
from lab.image import LOCAL_BASE
from lab.session import Lab
from lab.topology import DEFAULT_RELEASE, Role
from reconciler.load import load_tree
from reconciler.routers.docker_router import LAB_SOCKET
from reconciler.validate import validate
from tests.contract.sshd import CONFIG, HOST_KEY, set_up
from tests.documents import ENDS, SITE, TUNNEL, WAN, document
from tests.lab.repository import ROOT
from tests.repositories import new_repository

pytestmark = pytest.mark.engine

CONTAINER = ROOT / "deploy" / "container"
IMAGE = "tunnelwright:latest"
KEY = f"PLANTED-{secrets.token_hex(16)}"
UID = 10001


@dataclass
class Running:
    """The container, the repository that it follows, and the lab whose routers it changes."""

    name: str
    tree: Path
    lab: Lab

    def docker(self, *words: str) -> str:
        """What the docker program says on standard output and standard error."""
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout + done.stderr

    def inspect(self) -> dict[str, Any]:
        """All that the engine knows of the container."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", self.name))
        return found[0]

    def runs(self) -> list[dict[str, Any]]:
        """The runs that it has reported."""
        lines = self.docker("logs", self.name).splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [item for item in found if item["event"] == "run"]

    def commit(self, old: str, new: str) -> None:
        """Change both ends of the tunnel."""
        for name, _, _, _ in ENDS:
            path = self.tree / "desired_state" / f"{name}-tunnel.yaml"
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))
        give_away(self.tree, os.getuid())
        with git.Repo(self.tree) as repository:
            repository.git.add("--all")
            repository.git.commit("--message", "change")
        give_away(self.tree)


def give_away(folder: Path, uid: int = UID) -> None:
    """To the container's account: git refuses a repository of another user, and keys are for their owner."""
    subprocess.run(["chown", "-R", f"{uid}:{uid}", str(folder)], check=True)


def service() -> dict[str, Any]:
    """The one service of the compose file."""
    found: dict[str, Any] = YAML(typ="safe").load(CONTAINER / "compose.yaml")["services"]["reconciler"]
    return found


def options(folder: Path) -> list[str]:
    """The compose file's service as arguments of `docker run`; `folder` is where it would be."""
    declared = service()
    words = ["--user", declared["user"], *(["--read-only"] if declared["read_only"] else [])]
    words += [f"--cap-drop={name}" for name in declared["cap_drop"]]
    words += [f"--security-opt={item}" for item in declared["security_opt"]]
    words += [f"--tmpfs={item}" for item in declared["tmpfs"]]
    for volume in declared["volumes"]:
        words += ["--volume", volume.replace("./", f"{folder}/") if volume.startswith("./") else volume]
    known = {"image", "restart", "user", "read_only", "cap_drop", "security_opt", "tmpfs", "volumes", "ports"}
    assert set(declared) == {*known, "stop_grace_period"}, "what is new in the compose file belongs here too"
    return words


@pytest.fixture(scope="module")
def built(engine: Engine, image: str) -> str:
    """`make image` on the base that the lab has made for itself. The environment is there already."""
    assert engine.url, image
    command = ["make", f"--old-file={sys.prefix}/.installed", f"VENV={sys.prefix}", "image"]
    base = f"BASE={LOCAL_BASE}:{DEFAULT_RELEASE}"
    done = subprocess.run([*command, base], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


@pytest.fixture(scope="module")
def running(
    engine: Engine, image: str, built: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("container")
    tree, etc = folder / "repository", folder / "etc"
    desired = tree / "desired_state"
    with new_repository(tree):
        desired.mkdir()
    (desired / "wan.yaml").write_text(WAN)
    # What the controller would make for itself has no place in a folder that is mounted read-only.
    (desired / "fleet.yaml").write_text(
        "apiVersion: tunnelwright/v1\nkind: FabricDefaults\nmetadata: {name: fleet}\n"
        "spec:\n  fingerprintKey: {file: fingerprints.psk}\n"
    )
    for name, *_ in ENDS:
        (desired / f"{name}.yaml").write_text(document(SITE, name))
        key = "    key: {file: one.psk}\n  ipsec: {pfs: dh-group14}\n"
        (desired / f"{name}-tunnel.yaml").write_text(document(TUNNEL, name) + key)
    fabric, found = validate(load_tree(desired))
    assert not found.errors
    lab_name = f"box{os.getpid():x}"
    with Lab.up(fabric, lab_name, engine=engine, image=image) as lab:
        home = folder / "home"
        home.mkdir()
        sshd = set_up(lab, home)
        for name, *_ in ENDS:
            lab.run(Role.ROUTER, name, ["/usr/sbin/sshd", "-f", CONFIG])
            public = lab.run(Role.ROUTER, name, ["ssh-keygen", "-y", "-f", HOST_KEY]).strip()
            address = fabric.routers[name].public[0].address
            with (desired / f"{name}.yaml").open("a") as file:
                file.write(
                    f"  access:\n    ssh:\n      host: {address}\n      user: root\n"
                    f"      identityFile: /etc/tunnelwright/ssh\n      hostKey: {public}\n"
                    f"      viciSocket: {LAB_SOCKET}\n"
                )
        (etc / "keys" / "psk").mkdir(parents=True)
        (etc / "keys" / "psk" / "one.psk").write_text(KEY)
        (etc / "keys" / "psk" / "fingerprints.psk").write_text(secrets.token_hex(16))
        (etc / "ssh").write_bytes(sshd.identity.read_bytes())
        settings = (CONTAINER / "reconcile.yaml").read_text()
        settings = re.sub(r"^repository: .*$", "repository: /srv/repository", settings, flags=re.MULTILINE)
        (etc / "reconcile.yaml").write_text(f"{settings}\ninterval: 1\n")
        subprocess.run(["chmod", "-R", "go=", str(etc)], check=True)
        running = Running(f"{lab_name}-reconciler", tree, lab)
        # Its own repository is mounted beside what compose mounts; the routers are near the bystander.
        running.commit("dh-group14", "dh-group15")
        give_away(etc)
        where = ["--network", f"container:{lab.container(Role.BYSTANDER, 'internet')}"]
        words = [word.replace("state:", f"{running.name}:") for word in options(folder)]
        running.docker(
            "run", "--detach", "--name", running.name, *where, *words,
            "--volume", f"{tree}:/srv/repository:ro", built,
        )  # fmt: skip
        try:
            yield running
        finally:
            running.docker("rm", "--force", "--volumes", running.name)
            running.docker("volume", "rm", "--force", running.name)


def test_it_applies_what_git_says_and_follows_it(running: Running) -> None:
    assert until(lambda: len(running.runs()) > 0, 60)
    assert running.runs()[0]["result"] == "changed", running.docker("logs", running.name)
    assert "INSTALLED" in running.lab.run(Role.ROUTER, "paris", ["swanctl", "--list-sas"])
    running.commit("dh-group15", "dh-group16")
    assert until(lambda: [r["result"] for r in running.runs()].count("changed") == 2, 60), running.runs()


def test_it_is_healthy_without_any_right(running: Running) -> None:
    assert until(lambda: running.inspect()["State"]["Health"]["Status"] == "healthy", 60)
    status = running.docker("exec", running.name, "cat", "/proc/1/status")
    assert re.search(rf"^Uid:\s+{UID}\s", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    places = '/ /opt/tunnelwright /etc/tunnelwright /usr /tmp "$HOME"'
    script = f'for place in {places}; do touch "$place/new" && echo "$place"; done'
    tried = subprocess.run(
        ["docker", "exec", running.name, "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert tried.stdout.split() == ["/tmp", "/var/lib/tunnelwright"], "nowhere else"  # noqa: S108


def test_the_key_is_nowhere_but_in_its_file(running: Running) -> None:
    said = running.docker("inspect", running.name) + running.docker("logs", running.name)
    said += running.docker("top", running.name, "-eo", "pid,args")
    said += running.docker("exec", running.name, "cat", "/proc/1/environ")
    assert KEY not in said
    search = f"grep -rls {KEY} / --exclude-dir=proc --exclude-dir=sys || true"
    files = running.docker("exec", running.name, "sh", "-c", search).split()
    assert files == ["/etc/tunnelwright/keys/psk/one.psk"]


def test_it_ends_at_a_signal(running: Running) -> None:
    running.docker("stop", "--time", "60", running.name)
    state = running.inspect()["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False), running.docker("logs", running.name)[-2000:]
