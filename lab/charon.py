"""What the lab asks the charons of its routers, over VICI: the SAs they report, up and down."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vici
from vici.exception import CommandException

from reconciler.model.errors import CommandRejected, RouterUnreachable

VICI_TIMEOUT = 30.0
"""Seconds until a silent charon counts as unreachable; a negotiation takes a fraction of it."""


@dataclass(frozen=True, slots=True)
class ReportedSa:
    """An installed CHILD_SA as one router reports it (`list-sas`)."""

    connection: str
    child: str
    local_host: str
    remote_host: str
    spi_in: int
    spi_out: int
    encapsulated: bool
    """ESP in UDP (RFC 3948)."""


@contextmanager
def session(path: Path) -> Iterator[Any]:
    """A VICI session on a socket of this machine. Raises `RouterUnreachable`, `CommandRejected`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(VICI_TIMEOUT)
        try:
            connection.connect(str(path))
            yield vici.Session(connection)
        except OSError as error:
            raise RouterUnreachable(f"charon does not answer at {path}: {error}") from error
        except CommandException as error:
            raise CommandRejected(f"charon at {path} refuses: {error}", operation="vici") from error


def reported_sas(path: Path, local: str, remote: str) -> tuple[ReportedSa, ...]:
    """The installed CHILD_SAs between two addresses, as one router reports them."""
    found = []
    with session(path) as vici:
        for connection, ike in _running(vici, local, remote):
            found += [
                ReportedSa(
                    connection,
                    _text(child["name"]),
                    local,
                    remote,
                    spi_in=int(child["spi-in"], 16),
                    spi_out=int(child["spi-out"], 16),
                    encapsulated=child.get("encap", b"no") == b"yes",
                )
                for child in ike["child-sas"].values()
                if _text(child["state"]) in ("INSTALLED", "REKEYED", "UPDATING")
            ]
    return tuple(found)


def negotiates(path: Path, local: str, remote: str) -> bool:
    """Whether one router negotiates between two addresses: an IKE_SA is half made, or has tasks left."""
    with session(path) as vici:
        return any(
            _text(ike["state"]) != "ESTABLISHED" or ike.get("tasks-queued") or ike.get("tasks-active")
            for _, ike in _running(vici, local, remote)
        )


def take_down(path: Path, local: str, remote: str) -> tuple[str, ...]:
    """Unload every connection between two addresses and end its SAs; the connections' names.

    Files on the router stay: `swanctl --load-all` brings the connections back.
    """
    with session(path) as vici:
        names = [name for name, _ in _configured(vici, local, remote)]
        for name in names:
            vici.unload_conn({"name": name})
        ids = [_text(ike["uniqueid"]) for _, ike in _running(vici, local, remote)]
        for number in ids:
            # The other end may have ended it in the meantime: that is what was wanted.
            try:
                list(vici.terminate({"ike-id": number, "timeout": "5000", "force": "yes"}))
            except _command_exception():
                continue
    return tuple(names)


def initiate(path: Path, local: str, remote: str) -> int:
    """Establish every child between two addresses from this end; how many came up.

    A child that is refused is left to its own retries: whether packets pass is for others to find out.
    """
    up = 0
    with session(path) as vici:
        children = [
            (name, child)
            for name, connection in _configured(vici, local, remote)
            for child in connection["children"]
        ]
        for name, child in children:
            try:
                list(vici.initiate({"ike": name, "child": child, "timeout": "5000"}))
                up += 1
            except _command_exception():
                continue
    return up


def _configured(vici: Any, local: str, remote: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """The connections between two addresses, by name."""
    for event in vici.list_conns():
        for name, connection in event.items():
            ends = (connection.get("local_addrs", []), connection.get("remote_addrs", []))
            if all(address in map(_text, end) for address, end in zip((local, remote), ends, strict=True)):
                yield name, connection


def _running(vici: Any, local: str, remote: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """The IKE_SAs between two addresses, with the names of their connections."""
    for event in vici.list_sas():
        for name, ike in event.items():
            if (_text(ike.get("local-host", b"")), _text(ike.get("remote-host", b""))) == (local, remote):
                yield name, ike


def _command_exception() -> type[Exception]:
    found: type[Exception] = CommandException
    return found


def _text(value: bytes) -> str:
    return value.decode()
