"""A change that the peer refuses: its word and what was changed name the field, and nothing else is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diagnosis import diagnose
from reconciler.model.router_config import LiveFile
from tests.unit.diagnosis.seen import HEALTHY, NEAR, alone, refused, seen

AUTH = "received AUTHENTICATION_FAILED notify error; establishing CHILD_SA 'net' failed"
IKE = "received NO_PROPOSAL_CHOSEN notify error; establishing CHILD_SA 'net' failed"
ESP = "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built; failed to establish CHILD_SA, keeping IKE_SA"
TS = "received TS_UNACCEPTABLE notify, no CHILD_SA built"
KEY = "ike-tw-paris-tokyo-0123456789ab"
BOTH = {"proposals": ("aes128-sha256-modp2048",), "esp_proposals": ("aes256-sha512-modp2048",)}
TABLE: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("key", AUTH, {"key": KEY}, "authentication.key", "AUTHENTICATION_FAILED"),
    ("local ID", AUTH, {"local": "fqdn:x"}, "identity.local", "fqdn:x -> 203.0.113.11"),
    ("peer ID", AUTH, {"remote": "fqdn:x"}, "identity.peer", "fqdn:x -> 203.0.113.12"),
    ("cipher", IKE, {"proposals": ("aes128-sha256-modp2048",)}, "ike.encryption", "NO_PROPOSAL_CHOSEN"),
    ("hash", IKE, {"proposals": ("aes256-sha512-modp2048",)}, "ike.integrity", "NO_PROPOSAL_CHOSEN"),
    ("group", IKE, {"proposals": ("aes256-sha256-modp3072",)}, "ike.dhGroup", "NO_PROPOSAL_CHOSEN"),
    ("two of IKE", IKE, {"proposals": ("aes128-sha512-modp2048",)}, "ike", "NO_PROPOSAL_CHOSEN"),
    ("PFS", ESP, {"esp_proposals": ("aes256-sha256-modp3072",)}, "ipsec.pfs", "NO_PROPOSAL_CHOSEN"),
    ("both, IKE is refused", IKE, BOTH, "ike.encryption", "change of ike.encryption (aes128"),
    ("both, ESP is refused", ESP, BOTH, "ipsec.integrity", "change of ipsec.integrity (aes256-sha512"),
    ("own networks", TS, {"local_ts": ("10.9.0.0/24",)}, "source", "TS_UNACCEPTABLE"),
    ("peer's networks", TS, {"remote_ts": ("10.9.0.0/24",)}, "peer.cidrs", "TS_UNACCEPTABLE"),
    ("silence", "no CHILD_SA within 10 s", {"key": KEY}, "authentication.key", "does not come up"),
]


@pytest.mark.parametrize(
    ("words", "changed", "path", "said"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_the_field_is_named_with_the_peers_word(
    words: str, changed: dict[str, Any], path: str, said: str
) -> None:
    [found] = diagnose(alone(seen(down=False, flow=None, near_end=refused(words, **changed))))
    assert (found.code, found.tunnel, str(found.field)) == ("change-refused", NEAR, f"spec.{path}")
    assert said in found.message
    assert found.seen == (words,)


def test_a_word_about_another_change_says_nothing() -> None:
    """Git has changed again since: what was refused is not what is desired now."""
    end = refused(AUTH, key=KEY)
    connection = HEALTHY.this_end.connection
    assert connection is not None
    wanted = replace(connection, secret=replace(connection.secret, id="ike-tw-x"))
    [found] = diagnose(alone(seen(down=False, flow=None, near_end={**end, "connection": wanted})))
    assert found.code == "drift"


def test_a_change_that_is_done_is_refused_no_more() -> None:
    end = refused(AUTH, key=KEY)
    state = end["state"]
    done = {
        name: LiveFile(
            type(file.content)(file.content.reveal().replace(b"# A change is under way", b"# ")), 0o600
        )
        for name, file in state.files.items()
    }
    found = diagnose(
        alone(seen(down=False, flow=None, near_end={**end, "state": replace(state, files=done)}))
    )
    assert [item.code for item in found] == ["drift"]


def test_foreign_words_stay_on_one_line() -> None:
    end = refused("line\nsecret = 0s\x1b[31m é" + "x" * 1000, key=KEY)
    [found] = diagnose(alone(seen(down=False, flow=None, near_end=end)))
    assert len(found.seen[0]) <= 300
    assert found.seen[0].startswith("line secret = 0s [31m  x")
