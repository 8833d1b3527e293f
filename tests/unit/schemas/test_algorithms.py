"""The algorithm tables: complete, in step with the schema, and in strongSwan's words."""

from __future__ import annotations

from typing import get_args

import pytest

from schemas.algorithms import (
    DH_GROUPS,
    ENCRYPTION,
    INTEGRITY,
    WEAK,
    WEAK_GROUPS,
    esp_proposal,
    ike_proposal,
    is_aead,
    pfs_group,
)
from schemas.policy import DhGroup, Encryption, Integrity, Pfs


def test_the_schema_offers_exactly_what_the_tables_hold() -> None:
    assert get_args(Encryption) == tuple(ENCRYPTION)
    assert get_args(Integrity) == tuple(INTEGRITY)
    assert get_args(get_args(DhGroup)[0]) == tuple(DH_GROUPS)
    assert [pfs_group(word) for word in get_args(Pfs)] == [None, *DH_GROUPS]


@pytest.mark.parametrize(
    ("encryption", "integrity", "group", "ike", "esp"),
    [
        ("aes-256", "sha256", 14, "aes256-sha256-modp2048", "aes256-sha256-modp2048"),
        ("3des", "md5", 2, "3des-md5-modp1024", "3des-md5-modp1024"),
        ("aes-128", "sha1", 19, "aes128-sha1-ecp256", "aes128-sha1-ecp256"),
        ("aes-gcm-256", "sha384", 20, "aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384"),
        (
            "chacha20-poly1305",
            "sha256",
            31,
            "chacha20poly1305-prfsha256-curve25519",
            "chacha20poly1305-curve25519",
        ),
    ],
)
def test_proposals(encryption: str, integrity: str, group: int, ike: str, esp: str) -> None:
    assert ike_proposal(encryption, integrity, group) == ike
    assert esp_proposal(encryption, integrity, group) == esp


def test_esp_without_a_group_has_no_pfs() -> None:
    assert esp_proposal("aes-192", "sha512", pfs_group("dh-group0")) == "aes192-sha512"


def test_aead_ciphers() -> None:
    assert {word for word in ENCRYPTION if is_aead(word)} == {
        "aes-gcm-128",
        "aes-gcm-192",
        "aes-gcm-256",
        "chacha20-poly1305",
    }


def test_weak_ones_are_those_of_the_service() -> None:
    assert set(WEAK) == {"md5", "sha1", "3des"}
    assert set(WEAK_GROUPS) == {2, 5, 22, 23, 24}


def test_unknown_words_are_errors() -> None:
    with pytest.raises(KeyError):
        ike_proposal("aes256", "sha256", 14)
