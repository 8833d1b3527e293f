"""What is done to a router by hand is found, and repaired by the next apply."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from reconciler.facets import firewall
from reconciler.model.plan import Disruption
from reconciler.model.secret import Secret
from reconciler.routers.protocol import Router
from tests.contract.sites import CONNECTION, FILE, Site
from tests.converged import assert_converged

pytestmark = pytest.mark.one_transport


def unload_connection(router: Router) -> None:
    router.vici.request("unload-conn", {"name": CONNECTION})


def unload_key(router: Router) -> None:
    for key in router.vici.request("get-shared")["keys"]:
        router.vici.request("unload-shared", {"id": key})


def edit_file(router: Router) -> None:
    content = router.host.snapshot([]).files[FILE].content.reveal()
    assert b"sha256-modp2048" in content
    router.host.write_files({FILE: Secret(content.replace(b"sha256-modp2048", b"sha1-modp2048"))})


def edit_key_in_file(router: Router) -> None:
    content = router.host.snapshot([]).files[FILE].content.reveal()
    start = content.index(b"secret = 0s") + len(b"secret = 0s")
    router.host.write_files({FILE: Secret(content[:start] + b"AAAA" + content[start:])})


def comment_file(router: Router) -> None:
    content = router.host.snapshot([]).files[FILE].content.reveal()
    router.host.write_files({FILE: Secret(content + b"# edited by hand\n")})


def remove_file(router: Router) -> None:
    router.host.remove_files([FILE])


def garble_file(router: Router) -> None:
    router.host.write_files({FILE: Secret(b'connections { tw-paris-tokyo { " \n')})


def change_connection(router: Router) -> None:
    (listed,) = [e[CONNECTION] for e in router.vici.stream("list-conns", "list-conn") if CONNECTION in e]
    changed = {
        "version": "2",
        "local_addrs": listed["local_addrs"],
        "remote_addrs": listed["remote_addrs"],
        "proposals": ["aes256-sha256-modp2048"],
        "rekey_time": "4000s",
        "dpd_delay": "30s",
        "unique": "no",
        "local": {"auth": "psk", "id": listed["local-1"]["id"]},
        "remote": {"auth": "psk", "id": listed["remote-1"]["id"]},
        "children": {
            "net": {
                "local_ts": ["10.1.0.0/24"], "remote_ts": ["10.2.0.0/25"], "mode": "tunnel",
                "esp_proposals": ["aes256-sha256-modp2048"], "rekey_time": "3600s", "dpd_action": "restart",
            }
        },
    }  # fmt: skip
    router.vici.request("load-conn", {CONNECTION: changed})


def nft(router: Router, verb: str) -> None:
    command = {verb: {"table": {"family": "inet", "name": "tunnelwright"}}}
    router.host.change_firewall(json.dumps({"nftables": [command]}))


def delete_table(router: Router) -> None:
    nft(router, "delete")


def flush_table(router: Router) -> None:
    nft(router, "flush")


def delete_guard(router: Router) -> None:
    pair = frozenset({("10.1.0.0/24", "10.2.0.0/24")})
    router.host.change_firewall(firewall.element_changes(delete={"guarded": pair}))


def forward_off(router: Router) -> None:
    router.host.set_sysctls({"net/ipv4/ip_forward": "0"})


@pytest.mark.parametrize(
    ("harm", "resource", "path"),
    [
        (unload_connection, "paris/tunnel/paris-tokyo", "version"),
        (unload_key, "paris/tunnel/paris-tokyo", "psk"),
        (edit_file, "paris/tunnel/paris-tokyo", "proposals"),
        (edit_key_in_file, "paris/tunnel/paris-tokyo", "psk"),
        (comment_file, "paris/tunnel/paris-tokyo", "file"),
        (remove_file, "paris/tunnel/paris-tokyo", "proposals"),
        (garble_file, "paris/tunnel/paris-tokyo", "proposals"),
        (change_connection, "paris/tunnel/paris-tokyo", "children.net.remote_ts"),
        (delete_table, "paris/firewall/inet tunnelwright", "rules"),
        (flush_table, "paris/firewall/inet tunnelwright", "rules"),
        (delete_guard, "paris/firewall/inet tunnelwright", "guarded[10.1.0.0/24 10.2.0.0/24]"),
        (forward_off, "paris/sysctl/forwarding", "net/ipv4/ip_forward"),
    ],
)
def test_what_is_done_to_a_router_by_hand_is_found_and_repaired(
    site: Site, harm: Callable[[Router], None], resource: str, path: str
) -> None:
    site.apply()
    harm(site.connect("paris"))
    plan = site.preview().plan
    assert [str(change.resource) for change in plan.changes] == [resource]
    assert path in {change.path for change in plan.changes[0].changes}
    assert max(change.disruption.rank for change in plan.changes) <= Disruption.MAKE_BEFORE_BREAK.rank
    assert_converged(site.apply())
    assert site.preview().plan.empty
    assert [check for check in site.verify() if not check.passed] == []


def test_a_vip_that_was_deleted_by_hand_comes_back(site: Site) -> None:
    site.apply()
    (vip,) = site.preview().desired["paris"].addresses
    site.delete_address("paris", vip)
    plan = site.preview().plan
    assert [str(change.resource) for change in plan.changes] == ["paris/vip/203.0.113.11"]
    assert_converged(site.apply())
    assert [check for check in site.verify() if not check.passed] == []
