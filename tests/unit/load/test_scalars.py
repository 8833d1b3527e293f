"""Plain scalars by YAML 1.2's core schema."""

from __future__ import annotations

import math

import pytest

from reconciler.load.scalars import Scalar, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("nULL", "nULL"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("012", 12),
        ("0o14", 12),
        ("0xC", 12),
        ("+12", 12),
        ("-0", 0),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("12:30", "12:30"),
        ("2026-01-02", "2026-01-02"),
        ("203.0.113.1", "203.0.113.1"),
        ("10.1.0.0/24", "10.1.0.0/24"),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        (".", "."),
        ("-", "-"),
        ("e3", "e3"),
        ("<<", "<<"),
        ("٣", "٣"),
    ],
)
def test_core_schema(text: str, value: Scalar) -> None:
    resolved = resolve(text)
    assert resolved == value
    assert type(resolved) is type(value)


def test_not_a_number() -> None:
    value = resolve(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize("digits", [64, 65, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("form", ["{}", "-{}", "0x{}", "0o{}", "0{}"])
def test_a_number_of_many_digits_can_always_be_shown(form: str, digits: int) -> None:
    """Python refuses to turn an integer of more than 4,300 digits into text, hexadecimal ones included."""
    value = resolve(form.format("7" * digits))
    assert len(str(value)) >= 64
    assert isinstance(value, str) or len(form.format("7" * digits)) <= 64


def test_numbers_without_end_stay_text() -> None:
    assert resolve("9" * 5000) == "9" * 5000
    assert resolve("9" * 400 + ".0") == math.inf
