"""Proposals as charon 6.1.0 lists them, in the words of documents. The replies are its own."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.facets import connections
from reconciler.facets.connections.transforms import proposals
from reconciler.model.decoding import Fields
from reconciler.model.errors import AnswerNotUnderstood
from reconciler.model.swanctl import UNOBSERVABLE, Settings


def read(*listed: dict[str, Any]) -> tuple[str, ...]:
    return proposals(Fields({str(number): item for number, item in enumerate(listed)}, "list-conns"))


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        (
            {
                "encr": ["AES_CBC_256"],
                "integ": ["HMAC_SHA2_256_128"],
                "prf": ["PRF_HMAC_SHA2_256"],
                "ke": ["CURVE_25519"],
            },
            "aes256-sha256-curve25519",
        ),
        (
            {"encr": ["AES_GCM_16_128"], "prf": ["PRF_HMAC_SHA2_384"], "ke": ["MODP_2048_256"]},
            "aes128gcm16-prfsha384-modp2048s256",
        ),
        ({"encr": ["3DES_CBC"], "integ": ["HMAC_MD5_96"], "sn": ["NO_EXT_SEQ"]}, "3des-md5"),
        (
            {"encr": ["CHACHA20_POLY1305"], "ke": ["ECP_256_BP"], "sn": ["NO_EXT_SEQ"]},
            "chacha20poly1305-ecp256bp",
        ),
        (
            {
                "encr": ["AES_CBC_256"],
                "integ": ["HMAC_SHA2_256_128"],
                "prf": ["PRF_HMAC_SHA2_384"],
                "ke": ["CURVE_25519"],
            },
            "aes256-sha256-prfsha384-curve25519",
        ),
    ],
)
def test_what_is_listed_is_what_was_written(listed: dict[str, Any], written: str) -> None:
    assert read(listed) == (written,)


def test_what_no_document_can_ask_for_is_a_difference() -> None:
    esp = {"encr": ["AES_CBC_256"], "integ": ["HMAC_SHA2_256_128"], "ke": ["MODP_2048"]}
    plain = read({**esp, "sn": ["NO_EXT_SEQ"]})
    others = [
        read({**esp, "sn": ["EXT_SEQ"]}),
        read({**esp, "ake1": ["ML_KEM_768"]}),
        read({**esp, "encr": ["AES_CBC_256", "AES_CBC_128"]}),
        read(esp, esp),
        read({**esp, "of a later release": ["X"]}),
    ]
    assert all(other != plain for other in others)


@pytest.mark.parametrize(
    "listed", ["text", [], {"0": "text"}, {"0": {"encr": "AES_CBC_256"}}, {"0": {"x": [{}]}}]
)
def test_what_is_no_list_of_proposals_is_not_understood(listed: object) -> None:
    with pytest.raises(AnswerNotUnderstood):
        proposals(Fields({"proposals": listed}, "list-conns").section("proposals"))


WANTED: Settings = {
    "proposals": ("aes256-sha256-modp2048",),
    "children": {"net": {"esp_proposals": ("aes256-sha256",)}},
}
OTHER: Settings = {
    "proposals": ("aes128-sha256-modp2048",),
    "children": {"net": {"esp_proposals": ("aes128-sha256",)}},
}


@pytest.mark.parametrize("in_file", [WANTED, OTHER, None], ids=["right file", "other file", "no file"])
def test_what_charon_reports_counts_and_not_the_file(in_file: Any) -> None:
    assert connections.compare(WANTED, WANTED, in_file) == ()
    changes = connections.compare(WANTED, OTHER, in_file)
    assert [(change.path, change.before, change.source) for change in changes] == [
        ("proposals", ("aes128-sha256-modp2048",), "vici"),
        ("children.net.esp_proposals", ("aes128-sha256",), "vici"),
    ]


def test_where_charon_reports_none_the_file_counts() -> None:
    assert connections.compare(WANTED, {}, WANTED) == ()
    assert [change.source for change in connections.compare(WANTED, {}, OTHER)] == ["file", "file"]
    assert {change.before for change in connections.compare(WANTED, {}, None)} == {UNOBSERVABLE}
