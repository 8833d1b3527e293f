"""A running lab: up, down, and commands in its containers.

All that a lab holds is its containers and one state directory. Both carry the lab's name, so a lab
that was cut short is found and removed by the next `up` or `down`.
"""

from __future__ import annotations

import os
import socket
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lab.containers import (
    DIGEST_LABEL,
    LABEL,
    NAME_LABEL,
    PLANE_LABEL,
    PROBE_ESP,
    RELEASE_LABEL,
    ROLE_LABEL,
    STATE_LABEL,
    STATE_VARIABLE,
    DataPlane,
    ExecResult,
    Found,
    Places,
    Recipe,
    Shell,
    find,
    remove,
    start,
    state_root,
)
from lab.engine import Engine, Progress, find_engine, locked, quiet, until
from lab.image import ensure_image
from lab.topology import (
    DEFAULT_RELEASE,
    LabRefused,
    Node,
    Role,
    Topology,
    check_lab_name,
    container_name,
    topology_of,
)
from lab.wiring import ports_of, replugging_files, wiring_files, wiring_script
from reconciler.model.errors import CommandRejected, RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.listing import counted
from reconciler.model.suggestion import did_you_mean, known
from reconciler.routers.links import Links

if TYPE_CHECKING:
    from docker import APIClient

UNIX_PATH_MAX = 107
"""Bytes of a unix socket's path (unix(7): 108 with the final NUL)."""
VICI_SOCKET = "charon.vici"
CHARON_LOG = "charon.log"
READY_DEADLINE = 30.0
PARALLEL = 4


@dataclass(frozen=True, slots=True)
class LabSummary:
    """A lab that the engine knows of, whole or not."""

    name: str
    data_plane: str
    containers: int
    running: int
    state: str


class Lab:
    """One lab that is up. As a context manager it takes itself down at the end."""

    def __init__(
        self, name: str, topology: Topology, engine: Engine, state: Path, data_plane: DataPlane
    ) -> None:
        self.name = name
        self.topology = topology
        self.engine = engine
        self.places = Places(state)
        self.data_plane: DataPlane = data_plane
        self.links = Links()
        """Shells in its containers, and connections to its routers: kept until it is taken down."""
        weakref.finalize(self, self.links.clear)

    @classmethod
    def up(
        cls,
        fabric: Fabric,
        name: str = "default",
        *,
        engine: Engine | None = None,
        image: str = "",
        releases: Mapping[str, str] | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """The Fabric's lab, running: the same one if it is up and unchanged, else a new one.

        `image` is the reference of an image that is there; by default the lab's own is built. `releases`
        gives routers another Debian release, and with it another strongSwan, than the default one.
        Nothing is left behind when it fails. Raises `LabRefused`, `EngineUnavailable`, `ImageBroken`,
        `CommandRejected`, `RouterUnreachable`.
        """
        check_lab_name(name)
        topology = topology_of(fabric, releases)
        engine = engine or find_engine(progress)
        images = {} if not image else {DEFAULT_RELEASE: image}
        for release in sorted({DEFAULT_RELEASE, *(node.release for node in topology.nodes)} - set(images)):
            images[release] = ensure_image(engine, release, progress=progress)
        root = state_root()
        state = root / name
        _check_paths(state, topology)
        with locked(root / f"{name}.lock"):
            built = "-".join(images[release].rpartition(":")[2] for release in sorted(images))
            digest = f"{topology.digest}-{built}"
            lab = cls._whole(name, topology, engine, digest)
            if lab is None:
                remove(engine, name, state)
                progress(f"starting {counted(len(topology.nodes) + 1, 'container')}")
                try:
                    labels = {LABEL: name, DIGEST_LABEL: digest, STATE_LABEL: str(state)}
                    lab = cls._build(topology, engine, Recipe(name, images, Places(state), labels))
                except BaseException:
                    remove(engine, name, state)
                    raise
            routers = counted(len(lab.routers), "router")
            progress(f"waiting for charon in {routers} ({lab.data_plane} data plane)")
            lab.wait_ready()
            return lab

    @classmethod
    def attach(cls, fabric: Fabric, name: str = "default", *, engine: Engine | None = None) -> Self:
        """The lab that is up under this name. Raises `LabRefused` when it is not, or is another's."""
        check_lab_name(name)
        engine = engine or find_engine()
        topology = topology_of(fabric, _releases(find(engine, name), fabric))
        lab = cls._whole(name, topology, engine, None)
        if lab is None:
            names = [other.name for other in labs(engine)]
            others = did_you_mean(name, names) or (f"up are {known(names)}" if names else "no lab is up")
            hint = f"{others}; tunnelwright lab up --name {name}"
            raise LabRefused(f"no lab {name} of this fabric is up", hint=hint)
        return lab

    @staticmethod
    def down(name: str, *, engine: Engine | None = None) -> bool:
        """Remove a lab, whole or not; False when there was nothing. Raises `EngineUnavailable`."""
        check_lab_name(name)
        engine = engine or find_engine()
        root = state_root()
        with locked(root / f"{name}.lock"):
            return remove(engine, name, root / name)

    def close(self) -> None:
        """Take the lab down."""
        self.links.clear()
        Lab.down(self.name, engine=self.engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def routers(self) -> tuple[Node, ...]:
        """The routers, by name."""
        return tuple(node for node in self.topology.nodes if node.role is Role.ROUTER)

    @property
    def spool(self) -> Path:
        """The directory that hosts, bystanders and the wire see as /spool."""
        return self.places.spool

    def vici_socket(self, router: str) -> Path:
        """The router's VICI socket on this machine."""
        return self.places.run(router) / VICI_SOCKET

    def charon_log(self, router: str) -> Path:
        """The router's charon log on this machine. It holds session keys."""
        return self.places.log(router) / CHARON_LOG

    def container(self, role: Role, name: str = "") -> str:
        """A container's name at the engine; the wire needs no name."""
        return container_name(self.name, role, name or self.name)

    def exec(self, role: Role, name: str, command: Sequence[str]) -> ExecResult:
        """Run a command in a container and wait for it. A failure is a result, not an exception."""
        container = self.container(role, name)
        generation = self.links.generation
        shell = self.links.take(container, Shell) or Shell(self.engine, container)
        try:
            done = shell.run(command)
        except BaseException:
            shell.close()
            raise
        self.links.give(container, shell, generation)
        return done

    def run(self, role: Role, name: str, command: Sequence[str]) -> str:
        """Standard output of a command that must succeed. Raises `CommandRejected`."""
        result = self.exec(role, name, command)
        if result.exit_code != 0:
            said = (result.stderr or result.stdout).strip()[-500:]
            raise CommandRejected(
                f"{role} {name}: {command[0]} ended with {result.exit_code}: {said}",
                router=name,
                operation=command[0],
            )
        return result.stdout

    def wait_ready(self, router: str = "", timeout: float = READY_DEADLINE) -> None:
        """Wait until charon answers in one router, or in all. Raises `RouterUnreachable`."""
        for name in [router] if router else [node.name for node in self.routers]:
            ready, path = self.places.run(name) / "ready", self.vici_socket(name)
            if not until(lambda r=ready, p=path: r.exists() and _connects(p), timeout):  # type: ignore[misc]
                raise RouterUnreachable(
                    f"charon in the lab's router {name} does not answer at {path}",
                    router=name,
                    hint=f"docker logs {self.container(Role.ROUTER, name)}",
                )

    def reboot(self, role: Role, name: str) -> None:
        """Restart one container and plug it in again; what it holds in memory is gone, files stay."""
        self._again(role, name, lambda client, container: client.stop(container, timeout=5))

    def power_loss(self, router: str) -> None:
        """Cut a router's power: all of its processes are killed, its network namespace goes with them, and it
        boots from its files alone."""
        # A card without power sends nothing. A network namespace that ends goes on forwarding for a moment
        # when its firewall is gone already (cleanup_net), so its ports are cut beforehand, the WAN's first.
        for port in self.topology.node(Role.ROUTER, router).ports:
            self.run(Role.WIRE, self.name, ["ip", "link", "set", "dev", port.wire_name, "down"])
        self._again(Role.ROUTER, router, lambda client, container: client.kill(container, "KILL"))

    def _again(self, role: Role, name: str, end: Callable[[APIClient, str], object]) -> None:
        node = self.topology.node(role, name)
        self.links.clear()
        (self.places.run(name) / "ready").unlink(missing_ok=True)
        with self.engine.connect() as client:
            end(client, self.container(role, name))
            client.wait(self.container(role, name))
            client.start(self.container(role, name))
            pid = int(client.inspect_container(self.container(role, name))["State"]["Pid"])
        self._wire(replugging_files(node, pid))
        if role is Role.ROUTER:
            self.wait_ready(name)

    @classmethod
    def _whole(cls, name: str, topology: Topology, engine: Engine, digest: str | None) -> Self | None:
        """The lab as it runs now, if it is complete and of this topology; else None."""
        found = find(engine, name)
        wanted = {container_name(name, node.role, node.name) for node in topology.nodes}
        wanted.add(container_name(name, Role.WIRE, name))
        if {c.name for c in found if c.running} != wanted or len(found) != len(wanted):
            return None
        for container in found:
            has = container.labels.get(DIGEST_LABEL, "")
            if (has != digest) if digest else (not has.startswith(topology.digest)):
                return None
        planes = {c.labels[PLANE_LABEL] for c in found if PLANE_LABEL in c.labels}
        plane: DataPlane = "kernel" if "kernel" in planes else "userspace"
        lab = cls(name, topology, engine, Path(found[0].labels[STATE_LABEL]), plane)
        links = lab.exec(Role.WIRE, name, ["ls", "/sys/class/net"])
        return lab if ports_of(topology) <= set(links.stdout.split()) else None

    @classmethod
    def _build(cls, topology: Topology, engine: Engine, recipe: Recipe) -> Self:
        lab = cls(recipe.lab, topology, engine, recipe.places.state, "userspace")
        lab.places.make([node.name for node in lab.routers])
        start(engine, recipe, Node(Role.WIRE, lab.name, ()))
        # The wire first: it also answers which data plane this machine has.
        if lab.exec(Role.WIRE, lab.name, PROBE_ESP).exit_code == 0:
            lab.data_plane = "kernel"
        recipe = replace(recipe, labels={**recipe.labels, PLANE_LABEL: lab.data_plane})
        with ThreadPoolExecutor(PARALLEL) as pool:
            started = pool.map(lambda node: start(engine, recipe, node), topology.nodes)
            pids = dict(zip(topology.nodes, started, strict=True))
        lab._wire(wiring_files(topology, pids))
        return lab

    def _wire(self, files: Mapping[str, str]) -> None:
        with tempfile.TemporaryDirectory(prefix="wiring-", dir=self.spool) as folder:
            for name, content in files.items():
                Path(folder, name).write_text(content)
            words = ["sh", "-c", wiring_script(), "wiring", f"/spool/{Path(folder).name}"]
            done = self.exec(Role.WIRE, self.name, words)
        if done.exit_code != 0:
            raise CommandRejected(f"the lab cannot be wired: {done.stderr.strip()[-500:]}", operation="wire")


def _releases(found: Sequence[Found], fabric: Fabric) -> dict[str, str]:
    """The release of each router of a fabric that a lab has, as its containers say."""
    return {
        name: container.labels[RELEASE_LABEL]
        for container in found
        if container.labels.get(ROLE_LABEL) == Role.ROUTER
        and (name := container.labels[NAME_LABEL]) in fabric.routers
    }


def labs(engine: Engine | None = None) -> tuple[LabSummary, ...]:
    """Every lab that the engine knows of, by name."""
    found: dict[str, list[Found]] = {}
    for container in find(engine or find_engine(), None):
        found.setdefault(container.labels[LABEL], []).append(container)
    return tuple(
        LabSummary(
            name,
            next((c.labels[PLANE_LABEL] for c in members if PLANE_LABEL in c.labels), ""),
            len(members),
            sum(c.running for c in members),
            next((c.labels[STATE_LABEL] for c in members if STATE_LABEL in c.labels), ""),
        )
        for name, members in sorted(found.items())
    )


def choose_node(found: Sequence[Found], lab: str, name: str) -> str:
    """The container of a router, else of a network's host or bystander, else of the wire, by its name.

    Raises `LabRefused`, with the names that there are.
    """
    for role in (Role.ROUTER, Role.HOST, Role.BYSTANDER):
        for container in found:
            if container.labels.get(ROLE_LABEL) == role and container.labels.get(NAME_LABEL) == name:
                return container.name
    if name == str(Role.WIRE) and found:
        return container_name(lab, Role.WIRE, lab)
    names = sorted(c.labels[NAME_LABEL] for c in found if c.labels.get(ROLE_LABEL) != Role.WIRE)
    raise LabRefused(
        f"lab {lab} has no {name}",
        hint=f"there are: {', '.join([*names, 'wire'])}" if names else "no such lab is up",
    )


def _check_paths(state: Path, topology: Topology) -> None:
    """A socket's path that is too long fails inside charon, silently: refuse it here."""
    for node in topology.nodes:
        path = Places(state).run(node.name) / VICI_SOCKET
        if node.role is Role.ROUTER and len(os.fsencode(path)) > UNIX_PATH_MAX:
            raise LabRefused(
                f"{path} is longer than {UNIX_PATH_MAX} bytes, the most that a unix socket's path may have",
                hint=f"set {STATE_VARIABLE} to a shorter directory",
            )


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
