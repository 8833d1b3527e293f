"""`tunnelwright import` from several routers: each is named, each fails alone, both ends have one key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.cli import access
from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.router_config import LiveFile
from reconciler.model.secret import Secret
from tests.memory import MemoryRouter, Network

ROOT = Path(__file__).parents[3]
KEY = "PLANTED key of both ends"
CONF = """\
connections {{
  office {{
    version = 2
    mobike = yes
    local_addrs = {local}
    remote_addrs = {peer}
    proposals = aes256-sha256-modp2048
    local {{ auth = psk
    }}
    remote {{ auth = psk
      id = {peer}
    }}
    children {{
      net {{
        local_ts = {here}
        remote_ts = {there}
        esp_proposals = aes256-sha256-modp2048
      }}
    }}
  }}
}}
secrets {{
  ike-office {{
    id = {peer}
    secret = "{key}"
  }}
}}
"""
A = {"local": "203.0.113.2", "peer": "203.0.113.3", "here": "10.1.0.0/24", "there": "10.2.0.0/24"}
B = {"local": "203.0.113.3", "peer": "203.0.113.2", "here": "10.2.0.0/24", "there": "10.1.0.0/24"}


class Place:
    """Routers in memory, the project's routers and networks without a tunnel, and a folder of keys."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.keys = folder / "tree", folder / "keys" / "psk"
        shutil.copytree(ROOT / "tests" / "sites", self.tree)
        for name in ("site-a/a-to-b", "site-a/a-to-c", "site-b/b-to-a", "site-c/c-to-a"):
            (self.tree / f"{name}.yaml").unlink()
        (self.tree / "vips.lock.yaml").unlink()
        network = Network()
        self.routers = {name: MemoryRouter(name, network) for name in ("router-a", "router-b", "router-c")}

    def write(self, router: str, text: str) -> None:
        self.routers[router].host.files["office.conf"] = LiveFile(Secret(text.encode()), 0o600)

    def run(self, *words: str) -> int:
        return main(["import", str(self.tree), "--secrets", str(self.keys.parent), *words])

    def document(self, router: str) -> str:
        return (self.tree / "imported" / f"{router}.yaml").read_text()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path)
    monkeypatch.setattr(access, "connector", lambda *_: made.routers.__getitem__)
    made.write("router-a", CONF.format(**A, key=KEY))
    made.write("router-b", CONF.format(**B, key=KEY))
    return made


def test_both_ends_have_one_key_in_one_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("--write-keys") == ExitCode.OK
    assert [path.name for path in place.keys.iterdir()] == ["office.psk"]
    assert (place.keys / "office.psk").read_bytes() == KEY.encode()
    assert place.document("router-a").count("file: office.psk\n") == 1
    assert not (place.tree / "imported" / "router-b.yaml").exists(), "both ends are one connection"
    assert main(["validate", str(place.tree)]) == ExitCode.OK
    assert KEY not in "".join(capsys.readouterr())


def test_two_keys_of_one_tunnel_stay_two(place: Place) -> None:
    """They differ, so the tunnel is down: `plan` says so, and which of them is right is not guessed."""
    place.write("router-b", CONF.format(**B, key="another PLANTED key"))
    assert place.run("--write-keys") == ExitCode.OK
    assert sorted(path.name for path in place.keys.iterdir()) == ["office-2.psk", "office.psk"]
    assert "file: office-2.psk\n" in place.document("router-b")


@pytest.mark.parametrize(
    ("key", "files"),
    [
        ("{file: site-a.psk}", ["site-a.psk"]),
        ("{env: TUNNELWRIGHT_KEY_A}", []),
        ("{vault: {path: secret/tunnelwright/a, field: psk}}", []),
    ],
)
def test_the_other_end_that_is_described_says_where_the_key_is(
    place: Place, key: str, files: list[str]
) -> None:
    assert place.run("--router", "router-a") == ExitCode.OK
    path = place.tree / "imported" / "router-a.yaml"
    path.write_text(path.read_text().replace("key:\n      file: office.psk", f"key: {key}"))
    assert place.run("--router", "router-b", "--write-keys") == ExitCode.OK
    assert (sorted(path.name for path in place.keys.iterdir()) if place.keys.exists() else []) == files
    written = place.document("router-b")
    assert "office-2.psk" not in written
    assert key.strip("{}").split(" ")[-1].rstrip("}") in written
    assert main(["validate", str(place.tree)]) == ExitCode.OK


def test_every_finding_names_its_router_file_and_line(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write("router-b", CONF.format(**B, key=KEY).replace("mobike = yes", "aggressive = yes"))
    assert place.run() == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    there = "/etc/swanctl/conf.d/office.conf:4:5"
    assert f"router-a: {there}: warning: mobike = yes is not taken over" in said.err
    assert f"router-b: {there}: error: aggressive = yes: Aggressive Mode" in said.err
    assert "router-a.yaml: office from the connection office of router-a" in said.out
    assert place.run("--json", "--out", "-") == ExitCode.INCOMPLETE
    files = [json.loads(line).get("file", "") for line in capsys.readouterr().out.splitlines()]
    assert "router-b: /etc/swanctl/conf.d/office.conf" in files


def test_a_router_that_does_not_answer_costs_itself_alone(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.routers["router-c"].power(on=False)
    assert place.run() == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    assert "router-c: error: " in said.err
    assert "2 tunnel ends imported" in said.out
    for router in place.routers.values():
        router.power(on=False)
    assert place.run() == ExitCode.UNREACHABLE
    assert "error: router-a" in capsys.readouterr().err


def test_a_connection_of_one_router_is_asked_for_among_many(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write("router-b", CONF.format(**B, key=KEY).replace("office {", "branch {"))
    assert place.run("--connection", "branch") == ExitCode.OK
    assert "1 tunnel end imported" in capsys.readouterr().out
    assert place.run("--connection", "nobodys") == ExitCode.ERROR
    said = capsys.readouterr().err
    assert (
        "no connection is called nobodys\nhint: there are: router-a: office; router-b: branch; router-c: none"
        in said
    )


def test_ends_that_do_not_match_are_refused_where_they_are_configured_and_the_rest_is_imported(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = CONF.format(**B, key=KEY).replace("10.1.0.0/24", "10.9.0.0/24")
    place.write("router-b", broken)
    other = {"peer": "203.0.113.9", "there": "10.7.0.0/24"}
    lone = CONF.format(**(A | other), key=KEY).replace("office", "lone")
    place.routers["router-a"].host.files["lone.conf"] = LiveFile(Secret(lone.encode()), 0o600)
    assert place.run() == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    there = "/etc/swanctl/conf.d/office.conf"
    assert (
        f"router-b: {there}:16:9: error: its document would not be valid: the peer CIDRs 10.9.0.0/24 are not"
    ) in said.err
    assert f"router-a: {there}:2:3: error: it is the other end of the connection 'office' of" in said.err
    assert f"see also: router-b: {there}:2:3" in said.err
    assert "imported/" not in said.err, "no file that was never written"
    assert "1 tunnel end imported" in said.out
    assert "adopts: lone" in place.document("router-a")


def test_an_update_names_the_file_that_it_changes(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run() == ExitCode.OK
    changed = "version = 2\n    rekey_time = 2h"
    place.write("router-a", CONF.format(**A, key=KEY).replace("version = 2", changed))
    capsys.readouterr()
    assert place.run("--update") == ExitCode.OK
    file = place.tree / "imported" / "router-a.yaml"
    line = f"{file}: router-a--router-b: spec.ends[0].ike.lifetime: 14400 -> 7200"
    assert line in capsys.readouterr().out
    assert place.run("--update") == ExitCode.OK
    assert "->" not in capsys.readouterr().out, "now it says the same"


def test_what_both_routers_have_changed_is_changed_in_their_connection(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.run() == ExitCode.OK
    before = place.document("router-a")
    changes = (("modp2048", "modp3072"), ("version = 2", "version = 2\n    rekey_time = 2h"))
    for router, end in (("router-a", A), ("router-b", B)):
        text = CONF.format(**end, key=KEY)
        for old, new in changes:
            text = text.replace(old, new)
        place.write(router, text)
        if router == "router-a":
            # The other end has the old group, so there is nothing that both are.
            assert place.run("--update") == ExitCode.OK
            assert "the connection router-a--router-b cannot say" in capsys.readouterr().out
            assert place.document("router-a") == before
    assert place.run("--update") == ExitCode.OK
    said = [line.rpartition(": router-a--router-b: ")[2] for line in capsys.readouterr().out.splitlines()]
    assert said[:-1] == [
        "spec.ike.dhGroup: 14 -> 15",
        "spec.ike.lifetime: 14400 -> 7200",
        "spec.ipsec.pfs: dh-group14 -> dh-group15",
    ]
    assert place.run("--update") == ExitCode.OK
    assert "->" not in capsys.readouterr().out


def test_ids_that_differ_only_in_case_are_one(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """As charon compares them (identification.c)."""
    for router, end, ids in (
        ("router-a", A, ("Site-A.example", "site-b.example")),
        ("router-b", B, ("Site-B.example", "site-a.example")),
    ):
        text = CONF.format(**end, key=KEY).replace("auth = psk", "auth = psk\n      id = {}")
        text = text.replace(f"\n      id = {end['peer']}", "").replace(f"    id = {end['peer']}\n", "")
        for name in ids:
            text = text.replace("{}", name, 1)
        place.write(router, text)
    assert place.run("--write-keys") == ExitCode.OK
    said = capsys.readouterr().err
    assert "id = site-b.example differs from the ID of the other end only in case" in said
    assert "id = site-a.example differs from the ID of the other end only in case" in said
    document = place.document("router-a")
    assert ("id: Site-A.example" in document, "id: Site-B.example" in document) == (True, True)
    assert main(["validate", str(place.tree)]) == ExitCode.OK


def test_what_is_imported_later_shares_the_vip_of_what_was_imported_before(place: Place) -> None:
    for name, number in (("east", 7), ("west", 8)):
        other = {"local": "203.0.113.50", "peer": f"198.51.100.{number}", "there": f"10.{number}.0.0/24"}
        place.routers["router-a"].host.files[f"{name}.conf"] = LiveFile(
            Secret(CONF.format(**(A | other), key=KEY).replace("office", name).encode()), 0o600
        )
    words = ("--router", "router-a")
    assert place.run(*words, "--connection", "east") == ExitCode.OK
    assert "create:\n      publicNetwork: wan\n      address: 203.0.113.50" in place.document("router-a")
    later = place.tree / "later"
    assert place.run(*words, "--connection", "west", "--out", str(later)) == ExitCode.OK
    assert "  vip:\n    name: east\n" in (later / "router-a.yaml").read_text()
    assert main(["validate", str(place.tree)]) == ExitCode.OK
