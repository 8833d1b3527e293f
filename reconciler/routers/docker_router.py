"""A router in a container: VICI over a bind-mounted unix socket, the rest by `docker exec`."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from reconciler.facets.files import FOLDER
from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import Router as DesiredRouter
from reconciler.routers.engine import engine_url
from reconciler.routers.shell_host import Completed, ShellHost
from reconciler.routers.unix_vici import UnixVici

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LAB_LABEL = "tunnelwright.lab"
ROLE_LABEL = "tunnelwright.role"
NAME_LABEL = "tunnelwright.name"


class DockerRouter:
    """One router's container. `lab` names the lab whose container stands for the router, in place of
    the one that the desired state names.

    Raises RouterUnreachable when there is no engine, no such container, or no charon in it.
    """

    def __init__(self, desired: DesiredRouter, lab: str | None = None) -> None:
        self.name = desired.name
        self._client = _connect(desired.name)
        try:
            self._container = self._find(desired, lab)
            socket_path = self._host_path(PurePosixPath(desired.access.vici_socket))
            self.vici = UnixVici(self.name, str(socket_path))
        except BaseException:
            self._client.close()
            raise
        self.host = ShellHost(self.name, self._run, FOLDER)

    def close(self) -> None:
        """Close the VICI socket and the engine's connection."""
        self.vici.close()
        self._client.close()

    def _find(self, desired: DesiredRouter, lab: str | None) -> Container:
        try:
            if lab is None:
                container = self._client.containers.get(desired.access.container)
            else:
                labels = {LAB_LABEL: lab, ROLE_LABEL: "router", NAME_LABEL: desired.name}
                wanted = [f"{key}={value}" for key, value in labels.items()]
                found = self._client.containers.list(all=True, filters={"label": wanted})
                if not found:
                    raise self._unreachable(
                        f"lab {lab!r} has no router {desired.name!r}", "is the lab up? (tunnelwright lab up)"
                    )
                container = found[0]
        except docker.errors.NotFound as error:
            raise self._unreachable(
                f"there is no container {desired.access.container!r}",
                "spec.access.docker.container names it; for a lab give --lab NAME",
            ) from error
        if container.status != "running":
            raise self._unreachable(f"container {container.name} is {container.status}", "start it")
        return container

    def _host_path(self, inside: PurePosixPath) -> Path:
        """Where a path of the container lies on this machine."""
        for mount in self._container.attrs["Mounts"]:
            if inside.is_relative_to(mount["Destination"]):
                return Path(mount["Source"]) / inside.relative_to(mount["Destination"])
        raise self._unreachable(
            f"{inside} is on no bind mount of container {self._container.name}",
            "mount the folder of charon's VICI socket into the container",
        )

    def _unreachable(self, message: str, hint: str) -> RouterUnreachable:
        return RouterUnreachable(message, router=self.name, operation="connect", hint=hint)

    def _run(self, argv: Sequence[str], stdin: bytes) -> Completed:
        api: Any = self._client.api
        try:
            created = api.exec_create(self._container.id, list(argv), stdin=bool(stdin))
            if stdin:
                output = _converse(api.exec_start(created["Id"], socket=True), stdin)
            else:
                output = api.exec_start(created["Id"], demux=True)
            status = api.exec_inspect(created["Id"])["ExitCode"]
        except (docker.errors.DockerException, OSError, struct.error) as error:
            raise RouterUnreachable(
                f"the container engine failed: {error}", router=self.name, operation=argv[0]
            ) from error
        return Completed(int(status), output[0] or b"", output[1] or b"")


def _converse(stream: Any, stdin: bytes) -> tuple[bytes, bytes]:  # noqa: ANN401 - docker-py types it as nothing
    """Send standard input to a started command and collect its standard output and error.

    What docker-py hands over is the socket beneath the response's buffer, and loses what that buffer has
    read already; so the frames (Docker Engine API, "Stream format") are read from the buffer itself.
    """
    connection: socket.socket = stream._sock
    reader: io.BufferedReader = stream._response.raw._fp.fp
    output = {1: bytearray(), 2: bytearray()}
    try:
        connection.settimeout(60)
        connection.sendall(stdin)
        connection.shutdown(socket.SHUT_WR)
        while header := reader.read(8):
            number, size = struct.unpack(">BxxxL", header)
            output[number] += reader.read(size)
    finally:
        # Closing the stream alone leaves the connection open until the response is collected.
        stream._response.close()
        connection.close()
    return bytes(output[1]), bytes(output[2])


def _connect(router: str) -> DockerClient:
    url = engine_url()
    try:
        _knock(url)
        return docker.DockerClient(base_url=url, timeout=60)
    except (docker.errors.DockerException, OSError) as error:
        denied = isinstance(error, PermissionError)
        raise RouterUnreachable(
            f"permission denied on the container engine's socket {url}"
            if denied
            else f"no container engine answers at {url}",
            router=router,
            operation="connect",
            hint="be root or in the group `docker`" if denied else "start one, or set DOCKER_HOST",
        ) from error


def _knock(url: str) -> None:
    """Raises the OSError that tells why a unix socket does not answer; docker-py hides which it was."""
    scheme, _, path = url.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
