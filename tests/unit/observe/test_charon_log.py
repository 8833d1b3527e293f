"""What charon says while something is negotiated, and which of it is about one tunnel."""

from __future__ import annotations

import pytest

from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood, RouterUnreachable
from reconciler.observe.charon_log import CharonLog, LogLine, concerns, log_line
from reconciler.routers.protocol import Message
from tests.memory import MemoryRouter, Network
from tests.odd import OddRouter, answers, fails

PARIS, TOKYO, OSLO = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def event(text: str, ike_sa: str = "", name: str = "") -> Message:
    """An event as charon sends it (vici_logger.c)."""
    about = {"ikesa-name": name, "ikesa-uniqueid": ike_sa} if ike_sa else {}
    return {"group": "IKE", "level": "1", "thread": "7", "msg": text, **about}


def received(sender: str, receiver: str) -> str:
    """The line about one packet."""
    return f"received packet: from {sender}[500] to {receiver}[500] (336 bytes)"


def said(*events: Message) -> tuple[str, ...]:
    """What of these events is about the tunnel from paris to tokyo."""
    router = OddRouter(MemoryRouter("paris", Network()), {"log": answers(list(events))})
    with CharonLog(router) as log:
        return log.said("tw-paris-tokyo", PARIS, TOKYO)


def test_an_event_is_a_line_of_bounded_length() -> None:
    line = log_line(event("x" * (bounds.CHARON_LOG_CHARACTERS + 1), "7", "tw-paris-tokyo"))
    assert line == LogLine("tw-paris-tokyo", "7", "x" * bounds.CHARON_LOG_CHARACTERS)
    assert line.named
    assert not log_line(event("y", "7", "(unnamed)")).named
    assert not log_line({}).named


@pytest.mark.parametrize("message", [{"msg": ["a", "b"]}, {"ikesa-name": {}}])
def test_an_event_of_another_shape_is_not_understood(message: Message) -> None:
    with pytest.raises(AnswerNotUnderstood):
        log_line(message)


@pytest.mark.parametrize(
    ("text", "ike_sa", "expected"),
    [
        (received(TOKYO, PARIS), "7", True),
        (f"sending packet: from {PARIS}[500] to {TOKYO}[500] (336 bytes)", "7", True),
        (received(OSLO, PARIS), "7", False),
        (received(PARIS, TOKYO), "7", False),
        (received(f"{TOKYO}0", PARIS), "7", False),
        ("IKE version 1 not supported", "", True),
        (f"received unsupported IKE version 1.0 from {TOKYO}, sending INVALID_MAJOR_VERSION", "", True),
        (f"received unsupported IKE version 1.0 from {OSLO}, sending INVALID_MAJOR_VERSION", "", False),
        (received(TOKYO, PARIS), "", False),
    ],
)
def test_a_line_is_known_by_its_packet(text: str, ike_sa: str, expected: bool) -> None:
    assert concerns(LogLine("", ike_sa, text), PARIS, TOKYO) is expected


def test_a_responder_knows_its_ike_sa_by_its_packets_before_it_knows_the_connection() -> None:
    assert said(
        event(received(TOKYO, PARIS), "7", "(unnamed)"),
        event("no matching peer config found", "7", "(unnamed)"),
        event(received(OSLO, PARIS), "8", "(unnamed)"),
        event("no matching peer config found", "8", "(unnamed)"),
        event("loaded 5 keys"),
    ) == (received(TOKYO, PARIS), "no matching peer config found")


def test_an_initiator_knows_its_ike_sa_by_the_connection() -> None:
    lines = ("initiating IKE_SA tw-paris-tokyo[9]", "giving up after 5 retransmits")
    assert (
        said(*(event(text, "9", "tw-paris-tokyo") for text in lines), event("x", "10", "tw-other")) == lines
    )


def test_what_was_said_before_is_forgotten_when_asked() -> None:
    router = OddRouter(
        MemoryRouter("paris", Network()), {"log": answers([event("x", "9", "tw-paris-tokyo")])}
    )
    with CharonLog(router) as log:
        log.forget()
        assert log.said("tw-paris-tokyo", PARIS, TOKYO) == ()


def test_a_charon_that_has_stopped_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "CHARON_LOG_SECONDS", 0.01)
    failing = fails(RouterUnreachable("it closed the session", router="paris"))
    with CharonLog(OddRouter(MemoryRouter("paris", Network()), {"log": failing})) as log:
        assert log.said("tw-paris-tokyo", PARIS, TOKYO) == ()
