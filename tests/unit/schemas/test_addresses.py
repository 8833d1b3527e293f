"""Addresses and CIDRs against netaddr, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPAddress, IPNetwork

from schemas.addresses import (
    HostBitsError,
    format_address,
    is_address,
    parse_address,
    parse_cidr,
    prefix_length,
)


@given(st.integers(0, 2**32 - 1))
def test_addresses_are_read_as_netaddr_reads_them(number: int) -> None:
    text = format_address(number)
    assert parse_address(text) == number
    assert str(IPAddress(number)) == text


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_cidrs_are_read_as_netaddr_reads_them(number: int, length: int) -> None:
    oracle = IPNetwork(f"{IPAddress(number)}/{length}").cidr
    parsed = parse_cidr(str(oracle))
    assert (parsed.first, parsed.last) == (oracle.first, oracle.last)
    assert prefix_length(str(oracle)) == length
    if number != oracle.first:
        with pytest.raises(HostBitsError) as caught:
            parse_cidr(f"{format_address(number)}/{length}")
        assert caught.value.network == str(oracle)


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", " 1.2.3.4", "::1", "1.2.3.٤"]
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    "text", ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/٨"]
)
def test_what_is_no_cidr(text: str) -> None:
    with pytest.raises(ValueError, match="prefix length"):
        parse_cidr(text)
