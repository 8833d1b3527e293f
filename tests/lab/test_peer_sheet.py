"""The sheet makes a foreign router our peer: tokyo is not managed, and is given what was printed for it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.session import Lab
from lab.topology import Flow, Role, flows_of
from lab.traffic import Stream
from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.model.errors import ExitCode
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from reconciler.validate import validate
from tests.fabrics import by_hand, two_routers

pytestmark = pytest.mark.engine

SITES = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {name: internet}
spec:
  cidr: 203.0.113.0/24
  normalRanges: [{name: normal, first: 203.0.113.10, last: 203.0.113.99}]
---
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {name: paris-net}
spec: {cidr: 10.1.0.0/24}
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata: {name: paris}
spec:
  publicNetworks: [{network: internet, interface: eth0, address: 203.0.113.1}]
  vpcNetworks: [{network: paris-net, interface: eth1, address: 10.1.0.1}]
---
apiVersion: tunnelwright/v1
kind: IPsecTunnel
metadata: {name: paris-tokyo}
spec:
  router: paris
  vip: {create: {publicNetwork: internet, address: 203.0.113.11}}
"""
PLAIN_KEY = b"a plain key of some length 4711"
# Every byte but NUL and line ends, which are no part of a key; spaces at its ends too.
ANY_KEY = b" " + bytes(byte for byte in range(1, 256) if byte not in b"\n\r") + b" "


@dataclass(frozen=True, slots=True)
class Case:
    """A tunnel's own fields in the desired state of paris, and its key."""

    spec: dict[str, object]
    key: bytes
    far: tuple[str, ...] = ("10.2.0.10",)
    """Addresses of the host behind tokyo to which traffic must pass."""
    split: bool = False
    """Whether tokyo is a device that has a child for each pair with IKEv2 too, as some vendors' are."""


CASES = {
    "ikev2": Case({"peer": {"cidrs": ["10.2.0.0/24"]}, "ike": {"dhGroup": 14}}, PLAIN_KEY),
    "ikev1-two-pairs": Case(
        {"peer": {"cidrs": ["10.2.0.0/24", "10.2.9.0/25"]}, "ike": {"version": 1, "dhGroup": 14}},
        PLAIN_KEY,
        ("10.2.0.10", "10.2.9.10"),
    ),
    "ikev2-peer-with-a-child-for-each-pair": Case(
        {"peer": {"cidrs": ["10.2.0.0/24", "10.2.9.0/25"]}, "ike": {"dhGroup": 14}},
        PLAIN_KEY,
        ("10.2.0.10", "10.2.9.10"),
        split=True,
    ),
    "any-id-any-key": Case(
        {
            "peer": {"cidrs": ["10.2.0.0/24"]},
            "identity": {
                "type": "name",
                "local": "paris \"the\" 'city' \\ #1 {a} = $(x) `y` ; %any é世🔑",
                "peer": "@fqdn:to=kyo, C=JP # {not a DN}",
            },
            "ike": {"encryption": "aes-gcm-256", "dhGroup": 31},
            "ipsec": {"encryption": "aes-gcm-256", "pfs": "dh-group31"},
        },
        ANY_KEY,
    ),
}


@pytest.fixture(scope="module")
def lab2(engine: Engine, image: str) -> Iterator[Lab]:
    with Lab.up(two_routers(), f"sheet{os.getpid():x}", engine=engine, image=image) as lab:
        yield lab


def desired(case: Case, folder: Path) -> Path:
    """The desired state: paris alone, with a tunnel to an unmanaged peer."""
    peer = {"address": "203.0.113.12", "managed": False, **case.spec["peer"]}  # type: ignore[dict-item]
    authentication = {"mode": "psk", "key": {"file": "paris-tokyo.psk"}}
    fields = {**case.spec, "peer": peer, "authentication": authentication}
    tree = folder / "desired_state"
    tree.mkdir()
    # JSON is YAML, and quotes whatever an ID holds.
    text = "".join(f"  {name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields.items())
    (tree / "paris.yaml").write_text(SITES + text)
    return tree


def printed(tree: Path, secrets: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line prints for the administrator of tokyo."""
    words = ["peer-sheet", "paris-tokyo", str(tree), "--format", "swanctl", "--with-key"]
    assert main([*words, "--secrets", str(secrets)]) == ExitCode.OK
    return capsys.readouterr().out


def with_a_child_for_each_pair(tree: Path, secrets: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The sheet of the same tunnel with IKEv1, which has such children, under the version that is wanted."""
    file = tree / "paris.yaml"
    ikev2 = file.read_text()
    file.write_text(ikev2.replace('"dhGroup": 14', '"dhGroup": 14, "version": 1'))
    sheet = printed(tree, secrets, capsys)
    file.write_text(ikev2)
    return sheet.replace("version = 1", "version = 2").replace("aggressive = no", "")


def configure_by_hand(lab: Lab, sheet: str, cidrs: tuple[str, ...]) -> None:
    """As tokyo's administrator would: the sheet in a file, and the site's addresses, NAT and forwarding."""
    tunnel = replace(two_routers().tunnels["tokyo-paris"], local_cidrs=cidrs)
    if len(cidrs) > 1:
        lab.run(Role.ROUTER, "tokyo", ["ip", "address", "replace", "10.2.9.1/25", "dev", "eth1"])
    lab.run(Role.ROUTER, "tokyo", by_hand(tunnel, "peer.conf", sheet))


@pytest.mark.parametrize("name", CASES)
def test_a_foreign_router_with_the_sheet_is_our_peer(
    lab2: Lab, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "psk").mkdir()
    (secrets / "psk" / "paris-tokyo.psk").touch(mode=0o600)
    (secrets / "psk" / "paris-tokyo.psk").write_bytes(case.key)
    tree = desired(case, tmp_path)
    fabric, found = validate(load_tree(tree))
    assert found.errors == ()
    assert set(fabric.routers) == {"paris"}

    def connect(router: str) -> Router:
        return DockerRouter(fabric.routers[router], lab2.name, lab2.links)

    sheet = (with_a_child_for_each_pair if case.split else printed)(tree, secrets, capsys)
    configure_by_hand(lab2, sheet, fabric.tunnels["paris-tokyo"].peer_cidrs)
    applied = apply(observed_plan(fabric, SecretStore(secrets), Fleet(connect)), Fleet(connect), timeout=20)
    assert applied.remaining.empty
    for address in case.far:
        lab2.run(Role.HOST, "tokyo-net", ["ip", "address", "replace", f"{address}/24", "dev", "eth0"])
        assert_traffic_passes(lab2, address)
    state = observed_plan(fabric, SecretStore(secrets), Fleet(connect)).observation.states["paris"]
    children = [child for sa in state.sas_of("tw-paris-tokyo") for child in sa.children]
    pairs = {(ours, theirs) for child in children for ours in child.local_ts for theirs in child.remote_ts}
    assert pairs == {("10.1.0.0/24", cidr) for cidr in fabric.tunnels["paris-tokyo"].peer_cidrs}


def assert_traffic_passes(lab: Lab, far: str) -> None:
    """Both ways, and every packet."""
    (flow,) = flows_of(two_routers(), lab.topology)
    assert isinstance(flow, Flow)
    ends = {flow.left_host: flow.left_address, flow.right_host: flow.right_address}
    assert ends["tokyo-net"] == "10.2.0.10"
    ends["tokyo-net"] = far
    flow = replace(flow, left_address=ends[flow.left_host], right_address=ends[flow.right_host])
    stream = Stream(lab, flow, limit=60)
    stream.start()
    try:
        assert stream.wait_arriving(30.0)
        stream.reset()
        assert stream.wait_arriving(5.0)
    finally:
        results = stream.stop()
    for result in results:
        assert result.sent > 0
        assert result.lost == 0
