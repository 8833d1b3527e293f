"""A router in a container: VICI over a bind-mounted unix socket, the rest by a shell in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import docker
import docker.errors

from reconciler.facets.files import FOLDER
from reconciler.model import bounds
from reconciler.model.errors import RouterUnreachable, TunnelwrightError
from reconciler.model.fabric import DesiredRouter, DockerAccess
from reconciler.model.secret import redacted
from reconciler.model.suggestion import did_you_mean, known
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.docker_exec import within_allowance
from reconciler.routers.docker_shell import ContainerShell
from reconciler.routers.engine import check_socket, engine_url
from reconciler.routers.links import NONE_KEPT, Lease, Links
from reconciler.routers.protocol import Closing
from reconciler.routers.quota import in_force
from reconciler.routers.shell_host import Completed, ShellHost
from reconciler.routers.unix_vici import UnixVici

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LAB_SOCKET = "/run/charon/charon.vici"
LAB_LABEL = "tunnelwright.lab"
ROLE_LABEL = "tunnelwright.role"
NAME_LABEL = "tunnelwright.name"


class DockerLink:
    """A client of the engine, and a shell in the container that it has found. `socket` is where charon's lies
    on this machine."""

    def __init__(self, client: DockerClient, container: str, socket: Path) -> None:
        self.shell = ContainerShell(client.api, container)
        self.socket = socket
        self._client = client

    def alive(self) -> bool:
        """Whether the container's shell is there: it ends with the container."""
        return self.shell.alive()

    def close(self) -> None:
        """End the shell, and close the engine's connection."""
        self.shell.close()
        self._client.close()


class DockerRouter(Closing):
    """One router's container. `lab` names the lab whose container stands for the router, however the
    desired state says that the router is reached. What reaches it is taken from `links` and given back.

    Raises RouterUnreachable when there is no engine, no such container, or no charon in it.
    """

    def __init__(self, desired: DesiredRouter, lab: str | None = None, links: Links = NONE_KEPT) -> None:
        self.name = desired.name
        access = desired.access
        if lab is not None or not isinstance(access, DockerAccess):
            access = DockerAccess(desired.name, LAB_SOCKET)
        key = (engine_url(), lab, access)
        limits = Limits(bounds.ROUTER_CONNECT_SECONDS, bounds.ROUTER_WORDS_BYTES)
        with Allowance(limits, self.name, "connect", quotas=in_force()) as allowance:
            link = links.take(key, DockerLink) or self._open(access, lab, allowance)
            self._lease = Lease(links, key, link)
            with self._lease.opening():
                self.vici = UnixVici.at(self.name, str(link.socket), allowance)
        self.host = ShellHost(self.name, self._run, FOLDER)

    def close(self) -> None:
        """Close the VICI socket, and keep the link for its next user."""
        self.vici.close()
        self._lease.end()

    def _open(self, access: DockerAccess, lab: str | None, allowance: Allowance) -> DockerLink:
        client = _connect(allowance)
        try:
            with _engine_fails(allowance), within_allowance(client.api, allowance):
                container = self._find(client, access, lab)
                socket = self._host_path(container, PurePosixPath(access.vici_socket))
                return DockerLink(client, str(container.id), socket)
        except BaseException:
            client.close()
            raise

    def _find(self, client: DockerClient, access: DockerAccess, lab: str | None) -> Container:
        try:
            if lab is None:
                container = client.containers.get(access.container)
            else:
                labels = {LAB_LABEL: lab, ROLE_LABEL: "router", NAME_LABEL: self.name}
                wanted = [f"{key}={value}" for key, value in labels.items()]
                found = client.containers.list(all=True, filters={"label": wanted})
                if not found:
                    raise self._unreachable(f"lab {lab!r} has no router {self.name!r}", _labs(client, lab))
                container = found[0]
        except docker.errors.NotFound as error:
            raise self._unreachable(
                f"there is no container {access.container!r}",
                "check spec.access.docker.container; for a lab, give --lab NAME",
            ) from error
        if container.status != "running":
            raise self._unreachable(f"container {container.name} is {container.status}", "start it")
        return container

    def _host_path(self, container: Container, inside: PurePosixPath) -> Path:
        """Where a path of the container lies on this machine."""
        for mount in container.attrs["Mounts"]:
            if inside.is_relative_to(mount["Destination"]):
                return Path(mount["Source"]) / inside.relative_to(mount["Destination"])
        raise self._unreachable(
            f"{inside} is not on a bind mount of container {container.name}",
            "mount the folder of charon's VICI socket into the container",
        )

    def _unreachable(self, message: str, hint: str) -> RouterUnreachable:
        return RouterUnreachable(message, router=self.name, operation="connect", hint=hint)

    def _run(self, argv: Sequence[str], stdin: bytes, allowance: Allowance) -> Completed:
        with self._lease.working(), _engine_fails(allowance):
            return self._lease.link.shell.run(argv, stdin, allowance)


def _labs(client: DockerClient, wanted: str) -> str:
    """What to do about a lab that lacks a router: start it, or name another one."""
    listed = client.api.containers(all=True, filters={"label": [LAB_LABEL]})
    there = {str(container["Labels"][LAB_LABEL]) for container in listed}
    if not there:
        return "no lab is up (tunnelwright lab up)"
    if wanted in there:
        return "it was started with other documents (tunnelwright lab up)"
    return f"{did_you_mean(wanted, there) or f'the labs are {known(there)}'} (tunnelwright lab up starts one)"


@contextlib.contextmanager
def _engine_fails(allowance: Allowance) -> Iterator[None]:
    """Whatever the engine fails by is an error of this router: no answer, a refusal, or another shape, for
    which docker-py hands on what its parts raise."""
    try:
        yield
    except TunnelwrightError:
        raise
    except Exception as error:
        # Where no time is left, that is why.
        allowance.left()
        raise RouterUnreachable(
            f"the container engine failed: {redacted(str(error))[: bounds.ROUTER_MESSAGE_CHARACTERS]}",
            router=allowance.router,
            operation=allowance.operation,
        ) from error


def _connect(allowance: Allowance) -> DockerClient:
    url = engine_url()
    try:
        check_socket(url)
        # It asks for the version at once.
        client = docker.DockerClient(url, timeout=ceil(min(bounds.ENGINE_SECONDS, allowance.left())))
    except (docker.errors.DockerException, OSError) as error:
        allowance.left()
        forbidden = isinstance(error, PermissionError)
        raise RouterUnreachable(
            f"permission denied on the container engine's socket {url}"
            if forbidden
            else f"no container engine answers at {url}",
            router=allowance.router,
            operation=allowance.operation,
            hint="run as root, or as a member of the group `docker`"
            if forbidden
            else "start one, or set DOCKER_HOST",
        ) from error
    client.api.timeout = bounds.ENGINE_SECONDS
    return client
