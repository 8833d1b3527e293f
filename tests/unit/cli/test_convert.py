"""`tunnelwright convert`: two mirrored documents become one connection, and nothing else changes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given

from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.model.errors import ExitCode
from reconciler.model.fabric import Fabric
from reconciler.operations.convert import convert
from reconciler.operations.revisions import between
from reconciler.validate import validate
from tests.unit.validate.test_connections import (
    BASE,
    PAIRS,
    Data,
    as_two_documents,
    read_documents,
    without_places,
)
from tests.unit.validate.written import document, network

ROOT = Path(__file__).parents[3]
ERRORS = ROOT / "tests" / "errors" / "base"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "tests" / "sites", tmp_path / "tree"))


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A tree with the documents `a-to-b` and `b-to-a`, each in its file."""
    return Path(shutil.copytree(ERRORS, tmp_path / "tree"))


def fabric_of(tree: Path) -> Fabric:
    fabric, found = validate(load_tree(tree))
    assert found.errors == ()
    return fabric


def texts(tree: Path) -> dict[str, str]:
    return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


def comments(text: str) -> list[str]:
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


def test_the_plan_is_empty_and_every_comment_is_there(tree: Path) -> None:
    before, had = fabric_of(tree), texts(tree)
    assert main(["convert", str(tree)]) == ExitCode.OK
    after, has = fabric_of(tree), texts(tree)
    assert between(before, after, datetime.now(UTC)).plan.changes == ()
    assert without_places(before) == without_places(after)
    assert {end.origin.name for end in after.tunnels.values() if end.origin} == {
        "router-a--router-b",
        "router-a--router-c",
    }
    assert sorted(had.keys() - has.keys()) == ["site-b/b-to-a.yaml", "site-c/c-to-a.yaml"]
    changed = [name for name in has if has[name] != had[name]]
    assert sorted(changed) == ["site-a/a-to-b.yaml", "site-a/a-to-c.yaml"]
    lost = [
        comment
        for name in had.keys() - has.keys()
        for comment in comments(had[name])
        if not comment.startswith("yaml-language-server") and comment not in "".join(has.values())
    ]
    assert lost == []
    for name in changed:
        assert not set(comments(had[name])) - set(comments(has[name]))


def test_a_second_conversion_finds_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(tree)]) == ExitCode.OK
    has = texts(tree)
    capsys.readouterr()
    assert main(["convert", str(tree)]) == ExitCode.OK
    assert capsys.readouterr().out == "0 pairs converted.\n"
    assert texts(tree) == has


def test_only_the_pair_of_a_tunnel_that_is_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(tree), "--tunnel", "c-to-a", "--json"]) == ExitCode.OK
    [_, item] = map(json.loads, capsys.readouterr().out.splitlines())
    assert item == {
        "type": "converted",
        "connection": "router-a--router-c",
        "file": "site-a/a-to-c.yaml",
        "tunnels": ["a-to-c", "c-to-a"],
        "written": True,
    }
    assert fabric_of(tree).tunnels["a-to-b"].origin is None
    assert main(["convert", str(tree), "--tunnel", "nothing"]) == ExitCode.ERROR


def test_a_dry_run_prints_a_patch_and_writes_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    had = texts(tree)
    assert main(["convert", str(tree), "--dry-run"]) == ExitCode.OK
    said = capsys.readouterr().out
    assert texts(tree) == had
    assert f"--- {tree}/site-b/b-to-a.yaml\n+++ /dev/null\n" in said
    assert "-kind: IPsecTunnel\n+kind: IPsecConnection\n" in said


MANY = """\
# For everybody who reads this file.
---
apiVersion: tunnelwright/v1  # the first of four
kind: VpcNetwork
metadata: {name:   untouched}
spec: {cidr: 10.77.0.0/24}   # stays   as it is

---
# The connection's own.
apiVersion: tunnelwright/v1
kind: IPsecTunnel
# Who it is.
metadata:
  name: a-to-b   # called so for ever
  # Who answers for it.
  labels: {team: "net"}
spec:  # what it is
  description: "not a # comment"
  router: router-a

  vip:
    create: {publicNetwork: wan, address: 203.0.113.10}  # beside the VIP
  peer:
    address: 203.0.113.20  # where B is
    cidrs:
      # Applications of B.
      - 10.2.0.0/24
  source:
    networks:
      # Applications of A.
      - a-app  # all of them
  authentication:
    mode: psk
    key: {file: a--b.psk}
  ike:
    # As agreed.
    lifetime: 7200
---
apiVersion: tunnelwright/v1
kind: IPsecTunnel
metadata: {name: b-to-a, labels: {team: net}}
spec:
  description: |
    two lines  # of which
    # this is one
  # B's own router.
  router: router-b
  vip: {name: shared-b}
  peer: {address: 203.0.113.10, cidrs: [10.1.0.0/24]}
  authentication: {mode: psk, key: {file: a--b.psk}}  # the same key
  enabled: false
# The end of B.
---
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {name: untouched-too}
spec: {cidr: 10.78.0.0/24}
"""
CONVERTED = """\
# For everybody who reads this file.
---
apiVersion: tunnelwright/v1  # the first of four
kind: VpcNetwork
metadata: {name:   untouched}
spec: {cidr: 10.77.0.0/24}   # stays   as it is

---
# The connection's own.
apiVersion: tunnelwright/v1
kind: IPsecConnection
# Who it is.
metadata:
  name: router-a--router-b
  # Who answers for it.
  labels: {team: "net"}
spec: # what it is
  ends:
    - name: a-to-b # called so for ever
      description: "not a # comment"
      router: router-a
      vip:
        create: {publicNetwork: wan, address: 203.0.113.10} # beside the VIP
      networks:
        # Applications of A.
        - a-app # all of them
      ike:
        # As agreed.
        lifetime: 7200
    # Applications of B.
    - name: b-to-a
      description: |
        two lines  # of which
        # this is one
      # B's own router.
      router: router-b
      vip: {name: shared-b} # where B is
      enabled: false
  authentication: # the same key
    mode: psk
    key: {file: a--b.psk}
# The end of B.
---
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {name: untouched-too}
spec: {cidr: 10.78.0.0/24}
"""


FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "BOM": lambda text: text.encode("utf-8-sig"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_several_documents_of_one_file(pair: Path, form: Callable[[str], bytes]) -> None:
    """Other documents stay to the letter, and comments stay with what they are about."""
    for name in ("a-to-b.yaml", "b-to-a.yaml"):
        (pair / name).unlink()
    (pair / "all.yaml").write_bytes(form(MANY))
    before = fabric_of(pair)
    assert main(["convert", str(pair)]) == ExitCode.OK
    assert (pair / "all.yaml").read_bytes() == form(CONVERTED)
    assert without_places(fabric_of(pair)).tunnels == without_places(before).tunnels


@pytest.mark.parametrize(
    ("edit", "where", "what"),
    [
        (("file: a--b.psk", "env: TUNNELWRIGHT_KEY_A"), "b-to-a.yaml:12:5", "spec.authentication"),
        (("name: b-to-a", "name: b-to-a\n  labels: {site: b}"), "b-to-a.yaml:5:11", "metadata.labels"),
        (("spec:", "spec:\n  deletionProtection: true"), "b-to-a.yaml:6:23", "spec.deletionProtection"),
        (("spec:", "spec:\n  reconcile: {mode: observe}"), "b-to-a.yaml:6:14", "spec.reconcile"),
        (("cidrs:", "managed: false\n    cidrs:"), "b-to-a.yaml:10:14", "spec.peer.managed"),
    ],
)
def test_what_a_connection_cannot_say_is_refused_by_name_and_line(
    pair: Path, edit: tuple[str, str], where: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pair / "b-to-a.yaml"
    file.write_text(file.read_text().replace(*edit))
    had = texts(pair)
    assert main(["convert", str(pair)]) == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    [line] = [line for line in said.err.splitlines() if "(convert-refused)" in line]
    assert re.search(rf"(a-to-b|b-to-a).yaml:\d+:\d+: error: .*{re.escape(what)} ", line), line
    assert f"{pair}/{where}" in said.err
    assert texts(pair) == had
    assert said.out == "0 pairs converted.\n"


def test_a_separator_with_more_on_its_line_is_refused(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = pair / "b-to-a.yaml"
    file.write_text(f"{file.read_text()}--- # nothing follows\n")
    assert main(["convert", str(pair)]) == ExitCode.INCOMPLETE
    assert "b-to-a.yaml:14:1: error: 'b-to-a' stays as it is" in capsys.readouterr().err


def test_a_document_that_was_changed_after_it_was_read_stays_and_others_do_not(tree: Path) -> None:
    """Also where it is no document any more."""
    loaded = load_tree(tree)
    fabric, _ = validate(loaded)
    for edit in (("kind: IPsecTunnel", "kind: Vip"), ("spec:", "spec: {}\nspec:"), ("spec:", "spec: {")):

        def read(name: str, edit: tuple[str, str] = edit) -> str:
            text = (tree / name).read_text()
            return text.replace(*edit) if name == "site-c/c-to-a.yaml" else text

        done = convert(loaded, fabric, read)
        assert [item.name for item in done.connections] == ["router-a--router-b"]
        assert sorted(done.after) == ["site-a/a-to-b.yaml", "site-b/b-to-a.yaml"]
        [item] = done.found.errors
        assert (item.code, item.location.file) == ("convert-refused", "site-c/c-to-a.yaml")


def test_a_pair_whose_connection_would_not_be_valid_stays_and_others_do_not(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both names that its connection could have are those of others."""
    router: Data = {
        "publicNetworks": [{"network": "wan", "interface": "wan0", "address": "203.0.113.9"}],
        "vpcNetworks": [{"network": "d-app", "interface": "lan0", "address": "10.4.0.1"}],
    }
    more = [network("d-app", "10.4.0.0/24"), document("VpcRouter", "router-d", router)]
    for name, other in (("router-a--router-c", "router-b"), ("a-to-c", "router-c")):
        ends = [{"router": one, "vip": {"system": True}} for one in ("router-d", other)]
        key = {"mode": "psk", "key": {"env": "TUNNELWRIGHT_KEY_K"}}
        more.append(document("IPsecConnection", name, {"ends": ends, "authentication": key}))
    (tree / "more.yaml").write_text("\n---\n".join(map(json.dumps, more)))
    assert main(["convert", str(tree)]) == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "1 pair converted."
    [refusal] = [line for line in said.err.splitlines() if "convert-refused" in line]
    assert "/site-a/a-to-c.yaml:" in refusal
    assert "'a-to-c' and 'c-to-a' stay as they are: as one document they would be invalid" in refusal
    origins = {name: end.origin for name, end in fabric_of(tree).tunnels.items()}
    assert origins["a-to-b"] is not None
    assert origins["a-to-c"] is None


def test_anchors_are_no_desired_state(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = pair / "b-to-a.yaml"
    file.write_text(file.read_text().replace("spec:", "spec: &spec"))
    had = texts(pair)
    assert main(["convert", str(pair)]) == ExitCode.INVALID
    assert "(yaml-unsupported)" in capsys.readouterr().err
    assert texts(pair) == had


@given(PAIRS)
def test_any_pair_plans_to_the_same(pair: Data) -> None:
    documents = [*BASE, *as_two_documents(pair)]
    loaded = read_documents(documents)
    before, found = validate(loaded)
    assert found.errors == ()
    done = convert(loaded, before, lambda _: "\n---\n".join(map(json.dumps, documents)))
    [name] = done.after
    assert done.found.errors == ()
    assert [item.name for item in done.connections] == ["paris--tokyo"]
    after, found = validate(read_documents(done.after[name]))
    assert without_places(after) == without_places(before)
