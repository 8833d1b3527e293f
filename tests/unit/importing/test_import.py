"""Connections that others have configured -> documents, or every reason why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.compile.router import compile_router
from reconciler.facets.files.swanctl_conf import inherit, read
from reconciler.importing import document_name, draft, from_reply, from_root, render
from reconciler.importing.sources import keys_of
from reconciler.importing.vips import vip_of
from reconciler.load import load_tree
from reconciler.load.composer import compose
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import ChildSa, IkeSa
from reconciler.model.secret import Secret
from reconciler.validate import validate
from tests.unit.importing.hand_made import HAND_MADE, KEY

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    found, _ = validate(load_tree(ROOT / "tests" / "sites"))
    return found


def sa(name: str = "net-net", ike: str = "aes256-sha256-modp2048", esp: str = "aes256-sha256") -> IkeSa:
    child = ChildSa(
        "1",
        "net",
        "INSTALLED",
        "c1",
        "c2",
        "ESP",
        False,
        esp,
        ("10.1.0.0/24",),
        ("172.16.0.0/16",),
        0,
        0,
        0,
        0,
        9,
    )
    return IkeSa(
        "1",
        name,
        "2",
        "ESTABLISHED",
        "203.0.113.10",
        "a",
        "198.51.100.7",
        "peer.example",
        True,
        ike,
        9,
        (child,),
    )


def imported(text: str, fabric: Fabric, *sas: IkeSa) -> tuple[str | None, list[str]]:
    """The document, and the findings as `line: message`."""
    found = Diagnostics()
    root, _ = inherit(read("swanctl.conf", text.encode(), lambda _: ()))
    [source] = from_root(root)
    item = draft(source, keys_of(root, found), sas, found)
    document = None
    if item is not None:
        router = fabric.routers["router-a"]
        document = render(item, "x", router, vip_of(item, router, fabric, {}), found)
    return document, [f"{d.location.line}: {d.severity}: {d.message}" for d in found]


def test_what_this_tool_wrote_comes_back_as_it_was(fabric: Fabric) -> None:
    """A tree without its tunnels, and the routers' own files, are all that is left."""
    keys = {tunnel.psk: Secret(f"{KEY} {tunnel.psk}".encode()) for tunnel in fabric.tunnels.values()}
    before = {name: compile_router(fabric, name, keys, Secret(b"f")) for name in fabric.routers}
    loaded = load_tree(ROOT / "tests" / "sites")
    kept = [d for d in loaded.documents if isinstance(d.data, dict) and d.data["kind"] != "IPsecTunnel"]
    bare, found = validate(replace(loaded, documents=tuple(kept)))
    assert not found.errors
    texts, held = [], {}
    for name, config in before.items():
        for file, content in config.files.items():
            root, _ = inherit(read(file, content.reveal(), lambda _: ()))
            [source] = from_root(root)
            item = draft(source, keys_of(root, found), (), found)
            assert item is not None, list(found)
            document = document_name(item.connection, ())
            router = bare.routers[name]
            text = render(item, document, router, vip_of(item, router, bare, {}), found)
            assert text is not None
            texts.append(text)
            held[f"{document}.psk"] = item.key
    documents, _ = compose("---\n".join(texts).encode(), "imported.yaml", found)
    again, findings = validate(replace(loaded, documents=(*kept, *documents)))
    assert not findings.errors
    recovered = {tunnel.psk: held[tunnel.psk.name] or Secret(b"") for tunnel in again.tunnels.values()}
    after = {name: compile_router(again, name, recovered, Secret(b"f")) for name in again.routers}
    assert after == before
    assert not [item for item in found if item.code.startswith("import")]


def test_what_was_made_by_hand(fabric: Fabric) -> None:
    document, findings = imported(HAND_MADE, fabric)
    assert document is not None
    assert "tunnelwright/adopts: net-net" in document
    assert "cidrs: [172.16.0.0/16, 172.18.0.0/16]" in document
    assert "networks: [a-app]" in document
    assert "local: site-a.example" in document
    assert "lifetime: 14400" in document, "charon's own default"
    assert "pfs: dh-group20" in document
    assert "PLANTED" not in document
    assert findings == ["18: warning: start_action = start is not taken over: tunnelwright sets it itself"]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("version = 2", "aggressive = yes\nversion = 1", "Aggressive Mode is not supported"),
        ("version = 2", "", "both IKE versions are allowed, and no IKE_SA is up"),
        ("version = 2", "version = 2\nencap = yes", "encap = yes: forced UDP encapsulation is not supported"),
        ("version = 2", "version = 2\nif_id_in = 42", "if_id_in = 42: route-based tunnels are not supported"),
        ("version = 2", "version = 2\nnonsense = 1", "nonsense is not a setting that tunnelwright knows"),
        ("local_addrs = 203.0.113.10", "", "local_addrs = %any is not one IPv4 address, and no IKE_SA"),
        (
            "local_addrs = 203.0.113.10",
            "local_addrs = 1.2.3.4, 1.2.3.5",
            "local_addrs = 1.2.3.4, 1.2.3.5 is not one IPv4 address, and",
        ),
        ("local_addrs = 203.0.113.10", "local_addrs = 192.0.2.1", "192.0.2.1 is not in a public network"),
        (
            "198.51.100.7",
            "198.51.100.7, 198.51.100.8",
            "remote_addrs = 198.51.100.7, 198.51.100.8 is not one",
        ),
        ("aes256-sha256-modp2048", "aes256-sha256-modp2048, default", "leaves a choice, and no SA is up"),
        ("aes256-sha256-modp2048", "camellia256-sha256-modp2048", "'camellia256' of the proposal"),
        ("aes256-sha256-modp2048", "aes256-sha256", "an IKE proposal needs a Diffie-Hellman group"),
        ("aes256-sha256-modp2048", "aes256-aes128-sha256-modp2048", "is not one cipher"),
        ("local { auth = psk", "local { auth = pubkey", "local authentication does not use a pre-shared key"),
        ("local { auth = psk", "local { ", "local authentication does not use a pre-shared key"),
        ("id = site-a.example", "id = %any6", "the ID '%any6' is not an IPv4 address"),
        ("id = site-a.example", 'id = "C=CH, O=x"', "the ID 'C=CH, O=x' is not an IPv4 address"),
        (
            "start_action = start",
            "mode = transport",
            "mode = transport: only tunnel mode is supported",
        ),
        ("start_action = start", "ah_proposals = sha256", "ah_proposals = sha256: AH is not supported"),
        (
            "start_action = start",
            "updown = /bin/x",
            "updown = /bin/x: scripts are not part of the desired state",
        ),
        ("local_ts = 10.1.0.0/24", "local_ts = dynamic", "local_ts: dynamic is not an IPv4 network"),
        (
            "local_ts = 10.1.0.0/24",
            "local_ts = 10.9.0.0/24",
            "10.9.0.0/24 is not a VPC network that the router",
        ),
        ("local_ts = 10.1.0.0/24", "local_ts = 10.1.0.0/24[tcp/80]", "is not an IPv4 network"),
        ("esp_proposals = aes256gcm16-ecp384", "", "leaves a choice, and no SA is up"),
        ("version = 2", "aggressive = 1\nversion = 1", "Aggressive Mode is not supported"),
        ("version = 2", "version = 2\nppk_required = TRUE", "post-quantum pre-shared keys"),
        ("version = 2", "version = 2\nrekey_time = 0", "an IKE_SA must be replaced within 60"),
        ("version = 2", "version = 2\nrekey_time = 30d", "rekey_time must be 0 to 604800"),
        ("version = 2", "version = 2\ndpd_delay = 2d", "dpd_delay must be 0 to 86400"),
        ("start_action = start", "policies = disabled", "policies = disabled: route-based"),
        ("start_action = start", "rekey_time = 10", "rekey_time must be 30 to 604800 seconds, not 10"),
        ("start_action = start", "dpd_action = trap|start", "'trap|start' is not clear, trap"),
        ("start_action = start", "copy_df = no", "copy_df = no: copying to the outer header"),
        ("aes256-sha256-modp2048", "aes256gcm16-modp2048", "proposals leaves a choice, and no SA is up"),
        ("id = vpn@site-x.example", "", "any ID of the peer is accepted, and no IKE_SA is up"),
        ("198.51.100.7", "vpn.site-x.example", "remote_addrs = vpn.site-x.example is not one IPv4 address"),
    ],
)
def test_what_has_no_place_in_the_desired_state_is_named(
    fabric: Fabric, old: str, new: str, finding: str
) -> None:
    assert old in HAND_MADE
    document, findings = imported(HAND_MADE.replace(old, new, 1), fabric)
    assert document is None
    assert any(finding in text and "error" in text for text in findings), findings


def test_where_there_is_a_choice_what_was_negotiated_counts(fabric: Fabric) -> None:
    text = HAND_MADE.replace("version = 2", "").replace(
        "aes256-sha256-modp2048", "default, aes128-sha1-modp1024"
    )
    document, findings = imported(text, fabric, sa(ike="aes256-sha384-ecp384"))
    assert document is not None
    assert "dhGroup: 20" in document
    assert "version: 2" in document
    assert any("the negotiated value is taken: aes256-sha384-ecp384" in item for item in findings)


def test_what_holds_anyway_is_no_finding(fabric: Fabric) -> None:
    text = HAND_MADE.replace("version = 2", "version = 2\naggressive = No\nremote_port = 500\nif_id_in = 0")
    text = text.replace(
        "start_action = start", "policies = YES\nmode = tunnel\ncopy_df = true\nlife_time = 66m"
    )
    document, findings = imported(text, fabric)
    assert findings == []
    assert document is not None
    assert "lifetime: 3599" in document, "ten elevenths of the hard limit, as charon reckons"


@pytest.mark.parametrize(("word", "action"), [("route", "trap"), ("Start", "restart"), ("none", "clear")])
def test_charon_has_several_words_for_an_action(fabric: Fabric, word: str, action: str) -> None:
    text = HAND_MADE.replace("start_action = start", f"dpd_action = {word}")
    document, _ = imported(text.replace("version = 2", "version = 2\ndpd_delay = 1 m"), fabric)
    assert document is not None
    assert f"delay: 60\n      action: {action}" in document


def test_addresses_and_ids_that_are_left_open_are_those_of_the_running_sa(fabric: Fabric) -> None:
    text = HAND_MADE.replace("local_addrs = 203.0.113.10", "").replace("198.51.100.7", "vpn.site-x.example")
    document, findings = imported(text.replace("id = vpn@site-x.example", "", 1), fabric, sa())
    assert document is not None
    assert "name: a-to-b" in document, "the VIP that has the running SA's address"
    assert "address: 198.51.100.7" in document
    assert "peer: peer.example" in document
    for word in ("local_addrs = %any", "remote_addrs = vpn.site-x.example"):
        assert any(f"{word} is not one IPv4 address; the running IKE_SA's is taken" in f for f in findings)
    assert any("any ID of the peer is accepted; that of the running IKE_SA is taken" in f for f in findings)
    for several in ("%any", "198.51.100.0/24", "198.51.100.7-198.51.100.9", "a.example, b.example"):
        document, _ = imported(HAND_MADE.replace("198.51.100.7", several), fabric, sa())
        assert document is None, "the peer that is there now is not the only one"


@pytest.mark.parametrize(
    ("proposals", "negotiated", "pfs"),
    [
        ("", "aes256-sha256", "dh-group0"),
        ("default", "aes256-sha256", "dh-group0"),
        ("aes256-sha256-modp2048, aes128-sha256-modp2048", "aes128-sha256", "dh-group14"),
        ("aes256-sha256, aes128gcm16", "aes128gcm16", "dh-group0"),
        ("aes256-aes128-sha256-x25519", "aes128-sha256", "dh-group31"),
        ("aes256-sha256-modp2048, aes256-sha256", "aes256-sha256-modp2048", "dh-group14"),
        ("aes256-sha256-modp2048, aes256-sha256", "aes256-sha256", None),
        ("aes256-sha256-modp2048-modp3072", "aes256-sha256", None),
        ("aes256-sha256-mlkem768, aes256-sha256", "aes256-sha256", None),
        ("aes256-sha256-modp2048, default", "aes256-sha256", None),
    ],
)
def test_the_first_child_does_not_show_its_forward_secrecy(
    fabric: Fabric, proposals: str, negotiated: str, pfs: str | None
) -> None:
    text = HAND_MADE.replace("aes256gcm16-ecp384", proposals)
    document, findings = imported(text, fabric, sa(esp=negotiated))
    if pfs is not None:
        assert document is not None, findings
        assert f"pfs: {pfs}\n" in document
    else:
        assert document is None
        assert any("it is unknown whether it uses perfect forward secrecy" in item for item in findings)


def reply(**more: object) -> dict[str, object]:
    """A connection as list-conns reports it."""
    child = {
        "mode": "TUNNEL",
        "rekey_time": "3600",
        "dpd_action": "none",
        "local-ts": ["10.1.0.0/24"],
        "remote-ts": ["172.16.0.0/16"],
    }
    return {
        "local_addrs": ["203.0.113.10"],
        "remote_addrs": ["198.51.100.7"],
        "version": "IKEv2",
        "reauth_time": "0",
        "rekey_time": "14400",
        "unique": "UNIQUE_NO",
        "local-1": {"class": "pre-shared key", "id": "site-a.example"},
        "remote-1": {"class": "pre-shared key", "id": "vpn@site-x.example"},
        "children": {"net": child | dict(more.pop("child", {}))},  # type: ignore[call-overload]
        **more,
    }


def test_what_charon_alone_reports_is_not_enough_for_forward_secrecy() -> None:
    found = Diagnostics()
    assert draft(from_reply("net-net", reply()), (), [sa()], found) is None
    assert any("it is unknown whether it uses perfect forward secrecy" in d.message for d in found)
    found = Diagnostics()
    rekeyed = sa(esp="aes256-sha256-modp2048")
    assert draft(from_reply("net-net", reply()), (), [rekeyed], found) is not None
    assert any("charon does not report its ports, encapsulation" in d.message for d in found)


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        ({"ppk_id": "a"}, "ppk_id = a: post-quantum pre-shared keys"),
        ({"local-2": {"class": "EAP"}}, "local authentication has 2 rounds; one is supported"),
        ({"child": {"interface": "ipsec0"}}, "interface = ipsec0: route-based"),
        ({"child": {"rekey_time": "0"}}, "rekey_time must be 30"),
    ],
)
def test_what_charon_reports_besides_is_not_passed_over(more: dict[str, object], finding: str) -> None:
    found = Diagnostics()
    source = from_reply("net-net", reply(**more))
    assert draft(source, (), [sa(esp="aes256-sha256-modp2048")], found) is None
    assert any(finding in d.message for d in found.errors), list(found)


def test_children_are_one_tunnel_when_they_carry_every_pair(fabric: Fabric) -> None:
    one = "{ local_ts = 10.1.0.0/24\nremote_ts = %s\nesp_proposals = aes256-sha256\nrekey_time = %s\n}"
    start, end = HAND_MADE[: HAND_MADE.index("            net {")], "}\n}\n}\n"
    both = start + "a " + one % ("172.16.0.0/16", "1h") + "b " + one % ("172.18.0.0/16", "3600") + end
    document, _ = imported(both, fabric)
    assert document is not None
    assert "cidrs: [172.16.0.0/16, 172.18.0.0/16]" in document
    assert "pfs: dh-group0" in document
    different = start + "a " + one % ("172.16.0.0/16", "1h") + "b " + one % ("172.18.0.0/16", "2h") + end
    document, findings = imported(different, fabric)
    assert document is None
    assert any("its children are not one tunnel" in item for item in findings)
