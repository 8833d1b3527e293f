"""charon's words about one tunnel, out of those about all. The lines are charon 6.0.1's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood
from reconciler.observe.tunnel_log import TunnelLog
from tests.fabrics import two_routers

TUNNEL = two_routers().tunnels["paris-tokyo"]
OURS, OTHER = "tw-paris-tokyo", "tw-paris-tokyo-2"
RECEIVED = "received packet: from 203.0.113.12[500] to 203.0.113.11[500] (464 bytes)"
ELSEWHERE = "received packet: from 203.0.113.99[500] to 203.0.113.11[500] (464 bytes)"
NO_VERSION = "IKE version 1 not supported"


def line(text: str, number: str = "", name: str = "") -> dict[str, str]:
    fields = {
        "group": "IKE",
        "level": "1",
        "thread": "7",
        "ikesa-uniqueid": number,
        "ikesa-name": name,
        "msg": text,
    }
    return {key: value for key, value in fields.items() if value}


def said(*lines: dict[str, str], version: Literal[1, 2] = 2) -> list[str]:
    log = TunnelLog(replace(TUNNEL, ike=replace(TUNNEL.ike, version=version)))
    return [text for item in lines for text in log.take(item)]


def test_it_is_known_by_its_name_alone() -> None:
    assert said(line("ours", "1", OURS), line("of another", "2", OTHER), line("of all")) == ["ours"]


def test_what_came_before_the_name_follows_once_there_is_one() -> None:
    assert said(
        line("parsed IKE_SA_INIT request", "4", "(unnamed)"),
        line("of another", "5", "(unnamed)"),
        line("of another", "5", OTHER),
        line("authenticated", "4", OURS),
        line("established", "4", OURS),
    ) == ["parsed IKE_SA_INIT request", "authenticated", "established"]


def test_an_attempt_that_never_gets_a_name_is_known_by_its_addresses() -> None:
    assert said(
        line(ELSEWHERE, "3", "(unnamed)"),
        line(RECEIVED, "4", "(unnamed)"),
        line("no IKE config found", "4", "(unnamed)"),
        line("no IKE config found", "3", "(unnamed)"),
    ) == [RECEIVED, "no IKE config found"]


def test_a_version_that_charon_does_not_speak_has_no_ike_sa() -> None:
    assert said(line(NO_VERSION), version=1) == [NO_VERSION]
    assert said(line(NO_VERSION)) == []
    message = "received unsupported IKE version 1.0 from 203.0.113.12, sending INVALID_MAJOR_VERSION"
    assert said(line(message), line(message.replace(".12,", ".120,")), version=1) == [message]


def test_what_a_router_invents_costs_no_memory() -> None:
    log = TunnelLog(TUNNEL)
    for number in range(3 * bounds.LOG_UNNAMED):
        for _ in range(2 * bounds.LOG_LINES):
            assert list(log.take(line("x" * 5000, str(number), "(unnamed)"))) == []
    assert len(log._unnamed) == bounds.LOG_UNNAMED
    kept = max(log._unnamed.values(), key=len)
    assert len(kept) == bounds.LOG_LINES
    assert len(kept[0]) == bounds.CHARON_LOG_CHARACTERS


@given(
    st.dictionaries(st.sampled_from(["msg", "ikesa-name", "ikesa-uniqueid"]), st.text() | st.lists(st.text()))
)
def test_a_line_of_any_shape_is_decoded_or_not_understood(message: dict[str, Any]) -> None:
    try:
        assert all(isinstance(text, str) for text in TunnelLog(TUNNEL).take(message))
    except AnswerNotUnderstood:
        return
