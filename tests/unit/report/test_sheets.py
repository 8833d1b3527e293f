"""The other end of a tunnel: mirrored rightly, quoted safely, refused where it cannot be said."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.facets import files
from reconciler.facets.connections import compile_settings, swanctl_id
from reconciler.load import load_tree
from reconciler.model.fabric import IdType, IkeId, Tunnel
from reconciler.model.secret import Secret
from reconciler.model.swanctl import Settings, flatten
from reconciler.report.json.results import sheet_object
from reconciler.report.sheets import FORMATS, SWANCTL, TABLE
from reconciler.report.sheets.dialects import DIALECTS
from reconciler.report.sheets.mirrored import mirrored, remarks
from reconciler.report.sheets.render import render
from reconciler.report.sheets.table import table_lines
from reconciler.report.sheets.vendor_values import Inexpressible
from reconciler.validate import validate
from tests.fabrics import two_routers

ROOT = Path(__file__).parents[3]
TUNNEL = two_routers().tunnels["paris-tokyo"]
PRINTABLE = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1).filter(
    str.isprintable
)


def rendered(end: Tunnel, form: str, key: Secret | None = None) -> str:
    return render(end, form, (), key).reveal().decode()


def written(text: str, section: str) -> Settings:
    """One section of a swanctl file, whatever its only entry is called."""
    parsed = files.parse(text.encode())
    assert parsed is not None
    entries = parsed[section]
    assert isinstance(entries, dict)
    (body,) = entries.values()
    assert isinstance(body, dict)
    return body


def test_every_format_is_known() -> None:
    assert (TABLE, SWANCTL, *DIALECTS) == FORMATS


@pytest.mark.parametrize("version", [1, 2])
def test_swanctl_is_what_a_managed_end_would_load(version: Literal[1, 2]) -> None:
    fabric, _ = validate(load_tree(ROOT / "desired_state"))
    compared = 0
    for tunnel in fabric.tunnels.values():
        assert tunnel.other_end is not None
        near, far = (
            replace(t, ike=replace(t.ike, version=version))
            for t in (tunnel, fabric.tunnels[tunnel.other_end])
        )
        wanted = dict(flatten(compile_settings(far, "abcdef")))
        for ours_alone in ("over_time", "rand_time"):
            del wanted[ours_alone]
        assert dict(flatten(written(rendered(mirrored(near), SWANCTL), "connections"))) == wanted
        compared += 1
    assert compared == 4


def test_mirroring_twice_is_the_tunnel_again() -> None:
    twice = mirrored(mirrored(TUNNEL))
    kept = ("peer_address", "local_cidrs", "peer_cidrs", "local_id", "peer_id", "ike", "esp", "psk")
    assert all(getattr(twice, field) == getattr(TUNNEL, field) for field in kept)
    assert twice.vip.address == TUNNEL.vip.address


@given(PRINTABLE, st.binary(min_size=1, max_size=80))
def test_any_id_and_key_come_back_from_swanctl(value: str, key: bytes) -> None:
    end = replace(mirrored(TUNNEL), local_id=IkeId(IdType.FQDN, value))
    text = rendered(end, SWANCTL, Secret(key))
    assert dict(flatten(written(text, "connections")))["local.id"] == swanctl_id(end.local_id)
    secret = written(text, "secrets")["secret"]
    assert isinstance(secret, str)
    assert base64.b64decode(secret.removeprefix("0s")) == key


@pytest.mark.parametrize("form", DIALECTS)
@given(PRINTABLE, st.binary(min_size=1, max_size=200))
def test_no_id_and_no_key_adds_to_a_vendors_configuration(form: str, value: str, key: bytes) -> None:
    end = mirrored(TUNNEL)
    plain = rendered(replace(end, peer_id=IkeId(IdType.FQDN, "plain")), form, Secret(b"plain")).split()
    try:
        text = rendered(replace(end, peer_id=IkeId(IdType.FQDN, value)), form, Secret(key))
    except Inexpressible:
        return
    assert len(text.split()) == len(plain)
    assert value in text


@pytest.mark.parametrize(
    ("form", "key", "said"),
    [
        ("vyos", b"a'b\\\xff", "secret '0sYSdiXP8='"),
        ("fortigate", b"a'b\\\xff", "set psksecret 0x6127625cff"),
        ("junos", b"a'b\\\xff", "pre-shared-key hexadecimal 6127625cff"),
        ("ios", b"Plain#1!", "pre-shared-key remote 0 Plain#1!"),
    ],
)
def test_a_key_is_written_as_the_vendor_takes_it(form: str, key: bytes, said: str) -> None:
    lines = rendered(mirrored(TUNNEL), form, Secret(key)).splitlines()
    assert any(line.endswith(said) for line in lines)


@pytest.mark.parametrize(
    ("form", "key"),
    [("ios", b"with space"), ("ios", b"what?"), ("ios", b"a\nb"), ("ios", b"x" * 129), ("junos", b"x" * 128)],
)
def test_a_key_that_cannot_be_typed_is_refused_unseen(form: str, key: bytes) -> None:
    with pytest.raises(Inexpressible, match="the key has bytes, or a length") as refusal:
        rendered(mirrored(TUNNEL), form, Secret(key))
    assert key.decode() not in str(refusal.value)


def change(**policy: object) -> Tunnel:
    """The tunnel with fields of its policies changed: `ike_version=1`, `esp_lifetime=60`."""
    ike = {k.removeprefix("ike_"): v for k, v in policy.items() if k.startswith("ike_")}
    esp = {k.removeprefix("esp_"): v for k, v in policy.items() if k.startswith("esp_")}
    end = mirrored(TUNNEL)
    return replace(end, ike=replace(end.ike, **ike), esp=replace(end.esp, **esp))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "end", "reason"),
    [
        ("ios", change(ike_encryption="chacha20-poly1305"), "no chacha20-poly1305 for IKE"),
        ("ios", change(esp_encryption="chacha20-poly1305"), "no chacha20-poly1305 for ESP"),
        ("ios", change(ike_dh_group=31), "no DH group 31 for IKE"),
        ("junos", change(esp_pfs_group=18), "no DH group 18 for PFS"),
        ("junos", change(ike_encryption="aes-gcm-192"), "no aes-gcm-192 for IKE"),
        ("junos", change(ike_encryption="aes-gcm-256"), "no PRF but sha384 with aes-gcm-256 for IKE"),
        ("fortigate", change(esp_encryption="aes-gcm-192"), "no aes-gcm-192 for ESP"),
        ("fortigate", change(ike_dh_group=24), "no DH group 24 for IKE"),
        ("fortigate", change(ike_encryption="aes-gcm-256", ike_integrity="md5"), "no PRF md5 for IKE"),
        ("vyos", change(ike_lifetime=604_800, ike_version=1), "the IKE lifetime of 604800 s is negotiated"),
        (
            "ios",
            replace(change(ike_version=1), local_id=IkeId(IdType.FQDN, "far")),
            "only uses its own host name as a name",
        ),
    ],
)
def test_what_a_vendor_lacks_is_refused_by_name(form: str, end: Tunnel, reason: str) -> None:
    with pytest.raises(Inexpressible) as refusal:
        rendered(end, form)
    assert reason in str(refusal.value)
    assert "--format table" in refusal.value.hint


def test_a_value_that_is_not_the_tunnels_own_is_marked() -> None:
    text = rendered(change(ike_lifetime=604_800, ike_dpd_delay=3_600), "junos")
    assert "lifetime-seconds 86400" in text
    assert "# IKE lifetime: 180 to 86400 s are possible here, so 86400 s stand for the 604800 s" in text
    assert "# DPD delay: 10 to 60 s are possible here, so 60 s stand for the 3600 s" in text


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    ends = [replace(mirrored(TUNNEL), name=f"{'a' * 40}-{number}") for number in range(2)]
    first = re.compile(r'config vpn ipsec phase1.*\n +edit "(.*)"')
    names = [first.findall(rendered(end, "fortigate")) for end in ends]
    assert [len(name) for (name,) in names] == [15, 15]
    assert names[0] != names[1]


def test_what_our_end_is_like_is_remarked() -> None:
    assert any("disabled" in text for text in remarks(replace(TUNNEL, enabled=False)))
    assert any("tokyo-paris" in text for text in remarks(TUNNEL))
    assert list(remarks(replace(TUNNEL, other_end=None))) == []


def test_the_table_shows_a_key_only_as_it_can_be_copied() -> None:
    def shown(key: bytes) -> str:
        return "\n".join(line.text for line in table_lines(mirrored(TUNNEL), (), Secret(key)))

    assert "  plain key" in shown(b"plain key")
    for key in (b"space at the end ", b"line\nend", b"\xff\xfe"):
        assert "use the base64" in shown(key)
        assert base64.b64encode(key).decode() in shown(key)


def test_the_object_holds_everything_but_the_key() -> None:
    found = sheet_object(mirrored(TUNNEL), (), "table", None)
    assert found["local_address"] == TUNNEL.peer_address
    assert found["selector_pairs"] == [["10.2.0.0/24", "10.1.0.0/24"]]
    assert found["ike"]["proposal"] == "aes256-sha256-modp2048"
    assert "psk" not in found
