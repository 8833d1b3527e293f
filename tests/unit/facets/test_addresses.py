"""The record of VIPs that a router keeps: any content is read, and what is not understood has no owner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.facets.addresses import decode_record, record_text
from reconciler.model import bounds
from reconciler.model.router_config import AddressRecord, InterfaceAddress

WEB = InterfaceAddress("wan0", "203.0.113.10/24")
LINE = "203.0.113.10/24 wan0 Vip/web\n"


def test_a_record_says_which_document_asked_for_an_address() -> None:
    owners = {WEB: "Vip/web", InterfaceAddress("eth0.100", "192.0.2.1/32"): "IPsecTunnel/a-to-b"}
    assert decode_record(record_text(owners)) == AddressRecord(owners)
    assert decode_record("") == AddressRecord()


@pytest.mark.parametrize(
    "line",
    [
        "203.0.113.10/24 wan0",
        "203.0.113.10 wan0 Vip/web",
        "203.0.113.10/33 wan0 Vip/web",
        "203.0.113.010/24 wan0 Vip/web",
        "203.0.113.256/24 wan0 Vip/web",
        "203.0.113.10/24  wan0 Vip/web",
        "203.0.113.10/24 wan0 Vip/web ",
        "203.0.113.10/24 wan0 Vip/w\u00e9b",
        "203.0.113.10/24 wan0 Vip/\x1b[31mweb",
        f"203.0.113.10/24 {'w' * 16} Vip/web",
        f"203.0.113.10/24 wan0 {'w' * (bounds.OWNER_CHARACTERS + 1)}",
        "2001:db8::1/64 wan0 Vip/web",
        "# a comment",
    ],
)
def test_a_line_of_another_form_has_no_owner_and_is_reported(line: str) -> None:
    assert decode_record(f"{line}\n{LINE}") == AddressRecord({WEB: "Vip/web"}, sound=False)


def test_of_two_lines_for_one_address_the_first_counts() -> None:
    assert decode_record(f"{LINE}203.0.113.10/32 wan0 Vip/mail\n") == AddressRecord(
        {WEB: "Vip/web"}, sound=False
    )


def test_a_record_beyond_its_bound_is_reported() -> None:
    assert decode_record(LINE + "\n" * bounds.ROUTER_RECORD_BYTES) == AddressRecord(
        {WEB: "Vip/web"}, sound=False
    )


@given(st.text() | st.lists(st.sampled_from([LINE, LINE[:-4], "\n", "\x00", "/ ", "a/b c d\n"])).map("".join))
def test_any_text_is_read_and_what_is_understood_is_written_again(text: str) -> None:
    found = decode_record(text)
    assert decode_record(record_text(found.owners)) == AddressRecord(found.owners)
