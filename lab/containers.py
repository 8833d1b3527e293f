"""The lab's containers at the engine: made, found, entered and removed by their labels."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lab.engine import Engine, refused
from lab.topology import Node, Role, container_name
from reconciler.routers.allowance import Allowance
from reconciler.routers.docker_exec import LAB_LIMITS
from reconciler.routers.docker_shell import ContainerShell

if TYPE_CHECKING:
    from docker import APIClient

LABEL = "tunnelwright.lab"
ROLE_LABEL = "tunnelwright.role"
NAME_LABEL = "tunnelwright.name"
DIGEST_LABEL = "tunnelwright.digest"
STATE_LABEL = "tunnelwright.state"
RELEASE_LABEL = "tunnelwright.release"
PLANE_LABEL = "tunnelwright.data-plane"

STATE_VARIABLE = "TUNNELWRIGHT_LAB_STATE"

DataPlane = Literal["kernel", "userspace"]

# Succeeds where the kernel has ESP: the state is added in a namespace that ends with the command.
PROBE_ESP: Final = (
    *("unshare", "-n", "ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2"),
    *("proto", "esp", "spi", "0x100", "mode", "tunnel", "enc", "cbc(aes)", f"0x{'00' * 16}"),
    *("auth-trunc", "hmac(sha256)", f"0x{'00' * 32}", "128"),
)


def state_root() -> Path:
    """Where labs keep sockets, logs and captures, made if it is not there: short, for the sake of the
    sockets' paths."""
    named, runtime = os.environ.get(STATE_VARIABLE, ""), os.environ.get("XDG_RUNTIME_DIR", "")
    if named:
        root = Path(named)
    elif os.geteuid() == 0:
        root = Path("/run/tunnelwright/lab")
    elif runtime:
        root = Path(runtime, "tunnelwright")
    else:
        root = Path(tempfile.gettempdir(), f"tw-{os.getuid()}")
    root.mkdir(mode=0o755 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    return root


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command in a container gave back."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Found:
    """One container of a lab, as the engine lists it."""

    id: str
    name: str
    running: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of one lab on this machine. They hold session keys: mode 0700."""

    state: Path

    @property
    def spool(self) -> Path:
        """Captures and packets to send: /spool in hosts, bystanders and the wire."""
        return self.state / ".spool"

    def run(self, router: str) -> Path:
        """The router's /run/charon, with its VICI socket."""
        return self.state / router

    def log(self, router: str) -> Path:
        """The router's /var/log/charon."""
        return self.state / ".log" / router

    def make(self, routers: Sequence[str]) -> None:
        """Make all of them; the state directory must not exist yet."""
        for folder in (self.state, self.spool, self.state / ".log"):
            folder.mkdir(mode=0o700)
        for router in routers:
            self.run(router).mkdir(mode=0o700)
            self.log(router).mkdir(mode=0o700)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all containers of one lab have in common."""

    lab: str
    images: Mapping[str, str]
    """Debian release to image."""
    places: Places
    labels: Mapping[str, str]


def find(engine: Engine, lab: str | None) -> list[Found]:
    """The containers of one lab, or of all labs, in whatever state."""
    label = f"{LABEL}={lab}" if lab else LABEL
    with engine.connect() as client:
        return [
            Found(
                str(entry["Id"]),
                str(entry["Names"][0]).lstrip("/") if entry["Names"] else "",
                entry["State"] == "running",
                dict(entry["Labels"]),
            )
            for entry in client.containers(all=True, filters={"label": [label]})
        ]


def start(engine: Engine, recipe: Recipe, node: Node) -> int:
    """Create and start one container without any network; its process id on the engine's host."""
    labels = {
        **recipe.labels,
        ROLE_LABEL: str(node.role),
        NAME_LABEL: node.name,
        RELEASE_LABEL: node.release,
    }
    with engine.connect() as client:
        made = client.create_container(
            recipe.images[node.release],
            command=[str(node.role)],
            name=container_name(recipe.lab, node.role, node.name),
            hostname=node.name[:63],
            labels=labels,
            environment=_environment(node, labels),
            host_config=_host_config(client, node, recipe.places),
        )
        client.start(made["Id"])
        return int(client.inspect_container(made["Id"])["State"]["Pid"])


class Shell:
    """A shell in one of a lab's containers, with a connection to the engine of its own: a link."""

    def __init__(self, engine: Engine, container: str) -> None:
        with refused():
            self._client = engine.client()
        self._shell = ContainerShell(self._client, container)

    def alive(self) -> bool:
        """Whether it is there: it ends with its container."""
        return self._shell.alive()

    def close(self) -> None:
        """End it."""
        self._shell.close()
        self._client.close()

    def run(self, command: Sequence[str]) -> ExecResult:
        """Run a command to its end. Raises EngineRefused, RouterUnreachable."""
        with refused():
            done = self._shell.run(command, b"", Allowance(LAB_LIMITS, "", command[0]))
        return ExecResult(
            done.status, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )


def remove(engine: Engine, lab: str, state: Path) -> bool:
    """Remove every container of a lab and its state directory; False when there was nothing.

    Works on what a crash left: containers without the directory, or the directory alone.
    """
    found = find(engine, lab)
    with engine.connect() as client:
        # Routers and hosts first; the wire's end takes the bridges and all veth pairs along.
        for container in sorted(found, key=lambda c: c.labels.get(ROLE_LABEL) == Role.WIRE):
            client.remove_container(container.id, force=True, v=True)
    states = {Path(c.labels[STATE_LABEL]) for c in found if STATE_LABEL in c.labels} | {state}
    there = [path for path in states if path.is_dir()]
    for path in there:
        shutil.rmtree(path)
    return bool(found or there)


def _environment(node: Node, labels: Mapping[str, str]) -> dict[str, str]:
    if node.role is not Role.ROUTER:
        return {}
    return {
        "DATA_PLANE": labels[PLANE_LABEL],
        "VROUTER_CIDRS": " ".join(node.nat_cidrs),
        "VROUTER_INTERFACES": " ".join(node.nat_interfaces),
        "LAB_OWNER": f"{os.getuid()}:{os.getgid()}",
    }


def _host_config(client: APIClient, node: Node, places: Places) -> dict[str, Any]:
    """Capabilities by name instead of `privileged`: an engine that lacks some itself refuses that."""
    config: dict[str, Any]
    if node.role is Role.WIRE:
        # Other containers' namespaces by process id: SYS_PTRACE to look, SYS_ADMIN to enter.
        config = client.create_host_config(
            network_mode="none",
            pid_mode="host",
            cap_add=["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"],
            security_opt=["apparmor=unconfined"],
            binds=[f"{places.spool}:/spool"],
        )
    elif node.role is Role.ROUTER:
        config = client.create_host_config(
            network_mode="none",
            cap_add=["NET_ADMIN", "NET_RAW"],
            devices=["/dev/net/tun:/dev/net/tun:rwm"],
            security_opt=["apparmor=unconfined"],
            binds=[f"{places.run(node.name)}:/run/charon", f"{places.log(node.name)}:/var/log/charon"],
        )
    else:
        config = client.create_host_config(
            network_mode="none", cap_add=["NET_ADMIN", "NET_RAW"], binds=[f"{places.spool}:/spool"]
        )
        return config
    # /proc/sys stays writable: a router sets its own sysctls, the wire those of its bridges.
    config["MaskedPaths"] = []
    config["ReadonlyPaths"] = []
    return config
