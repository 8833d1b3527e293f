"""charon's words, as strongSwan 6.0.1 logged them in the lab."""

from __future__ import annotations

import pytest

from reconciler.diagnosis import log_lines
from schemas.algorithms import DH_GROUPS, ENCRYPTION, esp_proposal, ike_proposal

RECEIVED = "received proposals: IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048"
CONFIGURED = "configured proposals: IKE:AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048"


@pytest.mark.parametrize(
    ("text", "proposal"),
    [
        ("IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048", "aes256-sha256-prfsha256-modp2048"),
        ("IKE:AES_GCM_16_128/PRF_HMAC_SHA2_384/CURVE_25519", "aes128gcm16-prfsha384-curve25519"),
        ("IKE:3DES_CBC/HMAC_MD5_96/PRF_HMAC_MD5/MODP_1024_160", "3des-md5-prfmd5-modp1024s160"),
        ("ESP:CHACHA20_POLY1305/ECP_256_BP/NO_EXT_SEQ", "chacha20poly1305-ecp256bp"),
        ("ESP:AES_CBC_192/HMAC_SHA1_96/NO_EXT_SEQ", "aes192-sha1"),
    ],
)
def test_an_offer_is_read_as_swanctl_words_it(text: str, proposal: str) -> None:
    assert log_lines.offer(text) == log_lines.configured(proposal)


@pytest.mark.parametrize("encryption", ENCRYPTION)
@pytest.mark.parametrize("group", DH_GROUPS)
def test_every_proposal_of_the_service_falls_into_kinds(encryption: str, group: int) -> None:
    ike = log_lines.configured(ike_proposal(encryption, "sha256", group))
    assert set(ike) - {"prf", "integrity"} == {"encryption", "group"}
    assert len({"prf", "integrity"} & set(ike)) == 1
    assert set(log_lines.configured(esp_proposal(encryption, "sha256", None))) <= {"encryption", "integrity"}


def test_the_kinds_in_which_proposals_have_nothing_in_common() -> None:
    refusal = log_lines.refused_proposals([RECEIVED, CONFIGURED], "IKE")
    assert refusal is not None
    assert refusal.kinds == ("encryption",)
    several = log_lines.refused_proposals(
        [RECEIVED, CONFIGURED.replace("AES_CBC_128", "AES_CBC_128/AES_CBC_256")], "IKE"
    )
    assert several is not None
    assert several.kinds == ()
    assert log_lines.refused_proposals([RECEIVED], "IKE") is None
    assert log_lines.refused_proposals([RECEIVED, CONFIGURED], "ESP") is None


def test_the_group_that_the_first_child_leaves_out_is_not_blamed() -> None:
    lines = [
        "received proposals: ESP:AES_CBC_256/HMAC_SHA2_256_128/NO_EXT_SEQ",
        "configured proposals: ESP:AES_CBC_128/HMAC_SHA2_256_128/MODP_2048/NO_EXT_SEQ",
    ]
    refusal = log_lines.refused_proposals(lines, "ESP")
    assert refusal is not None
    assert refusal.kinds == ("encryption",)


def test_no_pfs_against_pfs_is_a_matter_of_the_group() -> None:
    lines = [
        "received proposals: ESP:AES_CBC_256/HMAC_SHA2_256_128/NO_EXT_SEQ",
        "configured proposals: ESP:AES_CBC_256/HMAC_SHA2_256_128/MODP_2048/NO_EXT_SEQ",
    ]
    refusal = log_lines.refused_proposals(lines, "ESP")
    assert refusal is not None
    assert refusal.kinds == ("group",)


def test_an_id_with_brackets_is_read() -> None:
    line = "looking for peer configs matching 203.0.113.20[b [x]]...203.0.113.10[a@[y]]"
    match = log_lines.LOOKING_FOR.search(line)
    assert match is not None
    assert (match["responder"], match["initiator"]) == ("b [x]", "a@[y]")
