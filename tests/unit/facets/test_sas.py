"""What charon reports of SAs, in the words of proposals. The replies are charon 6.0.1's own."""

from __future__ import annotations

import pytest

from reconciler.facets import sas
from schemas.algorithms import esp_proposal, ike_proposal


@pytest.mark.parametrize(
    ("reply", "proposal"),
    [
        (
            {"encr-alg": "AES_CBC", "encr-keysize": "256", "integ-alg": "HMAC_SHA2_256_128",
             "prf-alg": "PRF_HMAC_SHA2_256", "dh-group": "MODP_2048"},
            ike_proposal("aes-256", "sha256", 14),
        ),
        (
            {"encr-alg": "3DES_CBC", "integ-alg": "HMAC_MD5_96", "prf-alg": "PRF_HMAC_MD5",
             "dh-group": "MODP_1024"},
            ike_proposal("3des", "md5", 2),
        ),
        (
            {"encr-alg": "AES_CBC", "encr-keysize": "192", "integ-alg": "HMAC_SHA1_96",
             "prf-alg": "PRF_HMAC_SHA1", "dh-group": "MODP_2048_256"},
            ike_proposal("aes-192", "sha1", 24),
        ),
        (
            {"encr-alg": "AES_GCM_16", "encr-keysize": "256", "prf-alg": "PRF_HMAC_SHA2_384",
             "dh-group": "ECP_384"},
            ike_proposal("aes-gcm-256", "sha384", 20),
        ),
        (
            {"encr-alg": "CHACHA20_POLY1305", "encr-keysize": "256", "prf-alg": "PRF_HMAC_SHA2_256",
             "dh-group": "CURVE_25519"},
            ike_proposal("chacha20-poly1305", "sha256", 31),
        ),
        (
            {"encr-alg": "AES_CBC", "encr-keysize": "128", "integ-alg": "HMAC_SHA2_512_256",
             "prf-alg": "PRF_HMAC_SHA2_512", "dh-group": "ECP_256_BP"},
            ike_proposal("aes-128", "sha512", 28),
        ),
    ],
)  # fmt: skip
def test_an_ike_sa_reads_as_the_proposal_that_made_it(reply: dict[str, str], proposal: str) -> None:
    whole = {
        "uniqueid": "1", "version": "2", "state": "ESTABLISHED",
        "local-host": "192.0.2.1", "remote-host": "192.0.2.2", **reply,
    }  # fmt: skip
    assert sas.decode("tw-x", whole).algorithms == proposal


@pytest.mark.parametrize(
    ("reply", "proposal"),
    [
        ({"encr-alg": "AES_CBC", "encr-keysize": "256", "integ-alg": "HMAC_SHA2_256_128"},
         esp_proposal("aes-256", "sha256", None)),
        ({"encr-alg": "AES_CBC", "encr-keysize": "128", "integ-alg": "HMAC_SHA2_384_192",
          "dh-group": "MODP_4096"},
         esp_proposal("aes-128", "sha384", 16)),
        ({"encr-alg": "AES_GCM_16", "encr-keysize": "128", "dh-group": "ECP_521"},
         esp_proposal("aes-gcm-128", "sha256", 21)),
        ({"encr-alg": "CHACHA20_POLY1305", "encr-keysize": "256"},
         esp_proposal("chacha20-poly1305", "sha256", None)),
    ],
)  # fmt: skip
def test_a_child_sa_reads_as_the_proposal_that_made_it(reply: dict[str, str], proposal: str) -> None:
    child = {"name": "net", "uniqueid": "7", "state": "INSTALLED", "spi-in": "c1", "spi-out": "c2", **reply}
    whole = {
        "uniqueid": "1", "version": "2", "state": "ESTABLISHED", "local-host": "192.0.2.1",
        "remote-host": "192.0.2.2", "child-sas": {"net-7": child},
    }  # fmt: skip
    (decoded,) = sas.decode("tw-x", whole).children
    assert decoded.algorithms == proposal
    assert (decoded.spi_in, decoded.spi_out) == ("000000c1", "000000c2")
