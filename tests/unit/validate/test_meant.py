"""What people write for an algorithm leads to the value that they mean."""

from __future__ import annotations

import pytest

from tests.unit.validate.written import BASE, tunnel, validated


@pytest.mark.parametrize(
    ("section", "hint"),
    [
        ({"encryption": "aes-256-gcm"}, "did you mean 'aes-gcm-256'?"),
        ({"encryption": "aes256gcm16"}, "did you mean 'aes-gcm-256'?"),
        ({"encryption": "AES256"}, "did you mean 'aes-256'?"),
        ({"dhGroup": "dh-group14"}, "did you mean '14'?"),
        ({"dhGroup": "14"}, "write it without quotes"),
    ],
)
def test_another_spelling_leads_to_the_value(section: dict[str, object], hint: str) -> None:
    _, found = validated([*BASE, tunnel("t", ike=section)])
    [item] = found.errors
    assert item.hint == hint


@pytest.mark.parametrize("pasted", ["hunter2", "correct-horse-battery-staple", "Winter2024abcde"])
@pytest.mark.parametrize("source", ["file", "env"])
def test_a_passphrase_in_the_place_of_a_name_is_refused_and_not_repeated(source: str, pasted: str) -> None:
    _, found = validated([*BASE, tunnel("t", authentication={"mode": "psk", "key": {source: pasted}})])
    [item] = found.errors
    assert item.code == "secret-in-clear"
    assert pasted not in str(item)
