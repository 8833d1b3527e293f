"""The words of swanctl.conf: keys and whose they are, identities, times and proposals."""

from __future__ import annotations

import pytest

from reconciler.facets.files.swanctl_conf import inherit, read
from reconciler.importing import draft, from_root
from reconciler.importing.notation import NotImportable, identity, key, proposal, seconds
from reconciler.importing.sources import keys_of
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import IdType, IkeId
from reconciler.model.secret import Secret
from tests.unit.importing.hand_made import HAND_MADE


def test_the_key_is_the_one_that_charon_would_take() -> None:
    """credential_manager.c, get_shared: the peer's identity counts more than our own."""

    def key_of(secrets: str, version: int = 2) -> tuple[Secret | None, list[str]]:
        found = Diagnostics()
        text = HAND_MADE[: HAND_MADE.index("secrets {")] + f"secrets {{\n{secrets}\n}}\n"
        root, _ = inherit(
            read("swanctl.conf", text.replace("version = 2", f"version = {version}").encode(), lambda _: ())
        )
        [source] = from_root(root)
        item = draft(source, keys_of(root, found), (), found)
        return (item.key if item is not None else None), [d.message for d in found]

    every, peer = "ike-1 { secret = every\n}", "ike-2 { id = VPN@site-x.example\nsecret = peer\n}"
    local = "ike-3 { id-a = fqdn:site-a.example\nid-b = other.example\nsecret = 0x6c6f63616c\n}"
    address = "ike-4 { id = 198.51.100.7\nsecret = address\n}"
    likeness = "ike-5 { id = *@site-x.example\nsecret = likeness\n}"
    named = "ike-6 { id = %any\nsecret = named\n}"
    alien = 'ike-7 { id = "C=CH, O=x"\nsecret = alien\n}'
    assert key_of(every)[0] == Secret(b"every")
    assert key_of(named + alien)[0] == Secret(b"named")
    assert key_of(every + local)[0] == Secret(b"every"), "it fits the peer, if only as any"
    assert key_of(local)[0] == Secret(b"local")
    assert key_of(local + likeness + every)[0] == Secret(b"likeness")
    assert key_of(every + local + likeness + peer)[0] == Secret(b"peer")
    assert key_of(address)[0] is None, "IKEv2 knows nothing but identities"
    assert key_of(address, version=1)[0] == Secret(b"address")
    assert key_of(address + peer, version=1)[0] == Secret(b"peer")
    assert key_of("eap-5 { id = site-a.example\nsecret = x\n}")[0] is None
    assert any("its key is not known" in message for message in key_of("")[1])
    assert key_of(alien)[0] is None
    ambiguous = key_of(peer + peer.replace("ike-2", "ike-8").replace("= peer", "= another"))
    assert ambiguous[0] is None
    assert any("several keys match" in message for message in ambiguous[1])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("site.example", IkeId(IdType.FQDN, "site.example")),
        ("@1.2.3.4", IkeId(IdType.FQDN, "1.2.3.4")),
        ("1.2.3.4", IkeId(IdType.IP, "1.2.3.4")),
        ("a@b", IkeId(IdType.EMAIL, "a@b")),
        ("@@a@b", IkeId(IdType.EMAIL, "a@b")),
        ("fqdn:a@b", IkeId(IdType.FQDN, "a@b")),
        ("rfc822:x", IkeId(IdType.EMAIL, "x")),
        ("fqdn:#c3a9", IkeId(IdType.FQDN, "é")),
    ],
)
def test_identities(text: str, wanted: IkeId) -> None:
    assert identity(text) == wanted


def test_times_proposals_and_keys() -> None:
    assert [seconds(text) for text in ("90", "90s", "2m", "4 H", "1d")] == [90, 90, 120, 14_400, 86_400]
    assert proposal("aes256gcm128-prfsha384-x25519").integrity == "sha384"
    assert proposal("chacha20poly1305").encryption == "chacha20-poly1305"
    assert proposal("aes128-sha2_256-prfsha256-modp2048").group == 14
    for text in ("1 w", "", "x", "010"):
        with pytest.raises(NotImportable):
            seconds(text)
    for text in ("0xPLANTED", "0sPLANTED!"):
        with pytest.raises(NotImportable) as caught:
            key(text)
        assert "PLANTED" not in str(caught.value)
