"""charon's events about SAs: VICI message -> what has happened to the tunnels of tunnelwright.

The messages hold what list-sas reports (libcharon/plugins/vici/vici_query.c). `up` is in those of what has
come up and is absent, not "no", in others. A rekey raises no updown event, for the old SA nor for the new
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from reconciler.model.decoding import Fields
from reconciler.model.router_config import PREFIX

EVENTS: Final = ("ike-updown", "child-updown", "ike-rekey", "child-rekey", "alert")
"""The events of VICI about SAs. `alert` is there from 6.0.3 on."""
_ALERTS: Final = frozenset(
    {
        "authorization-failed",
        "half-open-timeout",
        "install-child-policy-failed",
        "install-child-sa-failed",
        "local-auth-failed",
        "parse-error-body",
        "parse-error-header",
        "peer-auth-failed",
        "proposal-mismatch-child",
        "proposal-mismatch-ike",
        "retransmit-send-timeout",
        "ts-mismatch",
        "ts-narrowed",
        "unique-keep",
        "unique-replace",
    }
)
"""Alerts about a fault of a tunnel (bus.h, alert_t). Others are about certificates and RADIUS, are
raised by an ordinary terminate as well (`ike-sa-expired`), for each packet that is sent again
(`retransmit-send`), or say what charon does about another one (`keep-on-child-sa-failure`)."""


@dataclass(frozen=True, slots=True)
class ChildUp:
    """A CHILD_SA is installed. `ike_sa` has the SPIs of its IKE_SA."""

    connection: str
    child: str
    spi: str
    ike_sa: str


@dataclass(frozen=True, slots=True)
class ChildDown:
    """A CHILD_SA has gone."""

    connection: str
    child: str
    spi: str


@dataclass(frozen=True, slots=True)
class ChildRekeyed:
    """A CHILD_SA has taken the place of another one."""

    connection: str
    child: str
    old: str
    new: str
    ike_sa: str


@dataclass(frozen=True, slots=True)
class IkeRekeyed:
    """An IKE_SA has taken the place of another one, with all of its CHILD_SAs."""

    connection: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An IKE_SA has gone that was never established."""

    connection: str


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert about an IKE_SA. Of one that charon cannot assign to a connection only the addresses are
    known."""

    connection: str
    local: str
    remote: str
    type: str


SaEvent: TypeAlias = ChildUp | ChildDown | ChildRekeyed | IkeRekeyed | AttemptFailed | Alerted


def decode(name: str, message: Mapping[str, object]) -> tuple[SaEvent, ...]:
    """What one event reports of connections of tunnelwright. Raises AnswerNotUnderstood."""
    fields = Fields(message, name)
    match name:
        case "child-updown":
            up = fields.text("up", "") == "yes"
            return tuple(found for item in _ours(fields) for found in _children(*item, up=up))
        case "child-rekey":
            return tuple(found for item in _ours(fields) for found in _rekeyed(*item))
        case "ike-rekey":
            return tuple(
                IkeRekeyed(connection, ike_spis(sa.section("old")), ike_spis(sa.section("new")))
                for connection, sa in _ours(fields)
            )
        case "ike-updown" if fields.text("up", "") != "yes":
            gone = ((connection, sa.text("state", "")) for connection, sa in _ours(fields))
            return tuple(AttemptFailed(connection) for connection, state in gone if state == "CONNECTING")
        case "alert":
            return tuple(_alerts(fields))
    return ()


def ike_spis(sa: Fields) -> str:
    """The SPIs of an IKE_SA, by which it is known at both ends and over a restart of charon."""
    return spi("/".join(filter(None, (sa.text("initiator-spi", ""), sa.text("responder-spi", "")))))


def spi(text: str) -> str:
    """SPIs as they are compared; two of an IKE_SA have 33 characters."""
    return text.lstrip("0")[:40]


def _ours(fields: Fields) -> Iterator[tuple[str, Fields]]:
    for name in fields.names():
        if name.startswith(PREFIX):
            yield name, fields.section(name)


def _children(connection: str, sa: Fields, *, up: bool) -> Iterator[SaEvent]:
    for _, child in sa.section("child-sas", {}).sections():
        name, its_spi = child.text("name"), spi(child.text("spi-in", ""))
        yield ChildUp(connection, name, its_spi, ike_spis(sa)) if up else ChildDown(connection, name, its_spi)


def _rekeyed(connection: str, sa: Fields) -> Iterator[SaEvent]:
    for name, pair in sa.section("child-sas", {}).sections():
        old, new = (spi(pair.section(which).text("spi-in", "")) for which in ("old", "new"))
        yield ChildRekeyed(connection, name, old, new, ike_spis(sa))


def _alerts(fields: Fields) -> Iterator[Alerted]:
    kind = fields.text("type")
    for connection, sa in fields.section("ike-sa", {}).sections() if kind in _ALERTS else ():
        yield Alerted(connection, sa.text("local-host", ""), sa.text("remote-host", ""), kind)
