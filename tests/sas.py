"""Tunnels brought up and taken down over VICI, as an administrator does it with `swanctl`."""

from __future__ import annotations

from lab.engine import until
from reconciler.model.errors import CommandRejected
from reconciler.observe.state import read_sas
from reconciler.routers.protocol import Vici


def bring_up(vici: Vici, connection: str, child: str, *, seconds: int = 10) -> None:
    """Initiate. A packet may have woken the tunnel before, or wake it at the same time: then charon refuses a
    duplicate, and the SA comes of the other attempt. A failure has charon's words."""
    message = {"ike": connection, "child": child, "timeout": str(seconds * 1000), "loglevel": "1"}
    words: list[str] = []
    try:
        for event in vici.stream("initiate", "control-log", message):
            words.append(str(event.get("msg")))
    except CommandRejected as error:
        up = until(lambda: any(sa.children for sa in read_sas(vici, connection)), seconds)
        assert up, "\n".join([str(error), *words])


def take_down(vici: Vici, connection: str, *, seconds: int = 5) -> None:
    """Terminate all SAs of a connection, even if the peer does not answer. It may have ended them already."""
    message = {"ike": connection, "force": "yes", "timeout": str(seconds * 1000)}
    try:
        list(vici.stream("terminate", "control-log", message))
    except CommandRejected as error:
        assert not read_sas(vici, connection), error
