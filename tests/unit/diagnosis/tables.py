"""The rows of all truth tables: each module of rules has one in the test of its name."""

from __future__ import annotations

from tests.unit.diagnosis import (
    test_addresses,
    test_half_open,
    test_negotiation,
    test_one_way,
    test_packet_path,
    test_path_mtu,
    test_router_state,
)
from tests.unit.diagnosis.seen import Row

ROWS: list[Row] = [
    *test_negotiation.TABLE,
    *test_addresses.TABLE,
    *test_router_state.TABLE,
    *test_packet_path.TABLE,
    *test_path_mtu.TABLE,
    *test_half_open.TABLE,
    *test_one_way.TABLE,
]
