"""VICI against a charon that answers nonsense, and against messages of every shape."""

from __future__ import annotations

import socket
import struct
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vici.protocol import FiniteStream
from vici.protocol import Message as Theirs

from reconciler.model import bounds
from reconciler.model.errors import CommandRejected, RouterUnreachable, TunnelwrightError
from reconciler.model.secret import Secret
from reconciler.routers.unix_vici import UnixVici
from reconciler.routers.vici_message import Malformed, decode
from tests import nonsense
from tests.nonsense import EVENT, NONSENSE, RESPONSE, STREAMED, Answer, Charon, beside, packet, said, value

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are met soon."""
    monkeypatch.setattr(bounds, "VICI_BYTES", bounds.MIB)
    monkeypatch.setattr(bounds, "VICI_ANSWER_ELEMENTS", 50_000)


@pytest.fixture
def hasty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kind of nonsense; where it is a matter of time, little of it is needed."""
    kind: str = request.param
    if (STREAMED | NONSENSE)[kind].error is RouterUnreachable:
        monkeypatch.setattr(bounds, "VICI_SECONDS", 0.3)
    return kind


@contextmanager
def session(answer: Answer) -> Iterator[tuple[UnixVici, Charon]]:
    with beside(answer) as (charon, near):
        vici = UnixVici("paris", near)
        yield vici, charon
        vici.close()


@pytest.mark.parametrize("hasty", NONSENSE, indirect=True)
def test_a_nonsensical_reply_is_an_error_of_that_router(hasty: str) -> None:
    expected = NONSENSE[hasty]
    with session(expected.answer) as (vici, charon):
        tracemalloc.start()
        with pytest.raises(expected.error, match=expected.words) as caught:
            vici.request("version")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (caught.value.router, caught.value.operation) == ("paris", "version")
        assert peak < 32 * bounds.MIB
        assert charon.sent < 2 * bounds.MIB
        if expected.error is not CommandRejected:
            with pytest.raises(RouterUnreachable):
                vici.request("version")


@pytest.mark.parametrize("hasty", STREAMED, indirect=True)
def test_a_nonsensical_stream_is_an_error_of_that_router(hasty: str) -> None:
    expected = STREAMED[hasty]
    with session(expected.answer) as (vici, charon):
        with pytest.raises(expected.error, match=expected.words) as caught:
            for _ in vici.stream("list-conns", "list-conn"):
                pass
        assert (caught.value.router, caught.value.operation) == ("paris", "list-conns")
        assert charon.sent < 3 * bounds.MIB


UNASKED = {
    "a length of 4 GiB": b"\xff" * 8,
    "an event without a name": packet(EVENT),
    "the half of a packet": struct.pack("!I", 4000) + bytes(1000),
}


@pytest.mark.parametrize("hasty", UNASKED, indirect=True)
def test_nonsense_where_something_is_listened_to_is_an_error(hasty: str) -> None:
    expected = STREAMED[hasty]
    with beside(said(b"")) as (charon, near):
        vici = UnixVici("paris", near)
        assert vici.subscribe("log") == {"log"}
        assert vici.next_event(0.05) is None
        charon.talks[0].say(UNASKED[hasty])
        with pytest.raises(expected.error, match=expected.words):
            while True:
                assert vici.next_event(0.05) is None
        vici.close()


def test_a_long_answer_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes buys time: many events on a slow line are no stalled peer."""
    monkeypatch.setattr(bounds, "VICI_SECONDS", 1.0)
    monkeypatch.setattr(bounds, "ROUTER_BYTES_PER_SECOND", len(nonsense.CONN))
    pause, times = 0.25, 6

    def slowly(talk: nonsense.Talk) -> None:
        for _ in range(times):
            talk.over.wait(pause)
            talk.say(nonsense.CONN * 2)
        talk.say(packet(RESPONSE))

    assert pause * times > bounds.VICI_SECONDS
    with session(slowly) as (vici, _):
        assert len(list(vici.stream("list-conns", "list-conn"))) == 2 * times


def test_the_time_of_a_command_itself_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "VICI_SECONDS", 0.3)

    def late(talk: nonsense.Talk) -> None:
        talk.over.wait(0.6)
        talk.say(packet(RESPONSE))

    with session(late) as (vici, _):
        assert list(vici.stream("initiate", "control-log", {"ike": "tw-a", "timeout": "9000"})) == []
    with session(late) as (vici, _), pytest.raises(RouterUnreachable):
        list(vici.stream("initiate", "control-log", {"ike": "tw-a", "timeout": "-1"}))


def test_a_stream_that_is_not_read_to_its_end_leaves_the_session_in_order() -> None:
    def three(talk: nonsense.Talk) -> None:
        talk.say(nonsense.CONN * 3 + packet(RESPONSE, value(b"version", b"6.0.1")))

    with session(three) as (vici, _):
        for _ in vici.stream("list-conns", "list-conn"):
            break
        assert len(list(vici.stream("list-conns", "list-conn"))) == 3


def test_closing_ends_a_wait_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is interrupted does not wait for a charon that hangs."""
    monkeypatch.setattr(bounds, "VICI_SECONDS", 600.0)
    asked, errors = threading.Event(), list[TunnelwrightError]()

    def hang(talk: nonsense.Talk) -> None:
        asked.set()
        talk.over.wait()

    def ask() -> None:
        try:
            vici.request("version")
        except TunnelwrightError as error:
            errors.append(error)

    with session(hang) as (vici, _):
        waiting = threading.Thread(target=ask)
        waiting.start()
        assert asked.wait(30)
        vici.close()
        waiting.join(30)
        assert [type(error) for error in errors] == [RouterUnreachable]


def test_bytes_that_are_not_utf_8_are_kept_readable() -> None:
    with session(said(packet(RESPONSE, value(b"t\xffw", b"caf\xe9")))) as (vici, _):
        assert vici.request("version") == {"t\\xffw": "caf\\xe9"}


@pytest.mark.parametrize(
    "message", [{"data": bytes(65_536)}, {"k" * 256: "x"}, {"ids": ["x" * 60_000] * 9}, {"id": "\ud800"}]
)
def test_what_does_not_fit_into_a_message_is_rejected_before_it_is_sent(message: dict[str, object]) -> None:
    with session(said(packet(RESPONSE))) as (vici, charon):
        with pytest.raises(CommandRejected, match="cannot be sent by VICI"):
            vici.request("load-shared", message)
        assert charon.sent == 0
        assert vici.request("version") == {}


def test_charons_words_are_not_kept_where_it_was_given_a_key() -> None:
    key = Secret(b"correct horse battery staple")
    words = b"invalid secret type: " + key.reveal()[::-1]
    with session(said(packet(RESPONSE, value(b"success", b"no") + value(b"errmsg", words)))) as (vici, _):
        with pytest.raises(CommandRejected) as caught:
            vici.request("load-shared", {"id": "ike-tw-a", "data": key.reveal()})
        withheld = "invalid (its output of 49 bytes is withheld, because it was given keys)"
        assert caught.value.message == withheld
        with pytest.raises(CommandRejected, match="elpats"):
            vici.request("load-conn", {"tw-a": {}})


_NAMES = st.text(max_size=20)
_MESSAGES = st.recursive(
    st.dictionaries(_NAMES, st.one_of(st.binary(max_size=40), st.lists(st.binary(max_size=10), max_size=4))),
    lambda inner: st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


def _text(found: object) -> object:
    if isinstance(found, dict):
        return {key: _text(item) for key, item in found.items()}
    if isinstance(found, list):
        return [_text(item) for item in found]
    return found.decode(errors="backslashreplace") if isinstance(found, bytes) else found


@given(_MESSAGES)
def test_a_message_is_read_as_strongswans_own_client_reads_it(message: dict[str, object]) -> None:
    encoded = Theirs.serialize(message)
    assert decode(encoded)[0] == _text(Theirs.deserialize(FiniteStream(encoded)))


@given(st.one_of(st.binary(max_size=200), st.lists(st.integers(0, 7), max_size=200).map(bytes)))
def test_any_bytes_are_a_message_or_malformed(found: bytes) -> None:
    try:
        message, elements = decode(found)
    except Malformed:
        return
    assert isinstance(message, dict)
    assert elements <= len(found)


@given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
def test_any_packets_are_an_answer_or_an_error_of_that_router(payloads: list[bytes], stream: bool) -> None:
    near, far = socket.socketpair()
    with far:
        confirm = packet(nonsense.CONFIRM) if stream else b""
        far.sendall(confirm + b"".join(struct.pack("!I", len(body)) + body for body in payloads))
        far.shutdown(socket.SHUT_WR)
        vici = UnixVici("paris", near)
        try:
            if stream:
                list(vici.stream("list-conns", "list-conn"))
            else:
                vici.request("version")
        except TunnelwrightError as error:
            assert error.router == "paris"
        finally:
            vici.close()
