"""Each cause is made by hand on real routers, named, and repaired; a healthy tunnel gives no alarm."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.engine import Engine
from lab.session import Lab
from lab.topology import Role
from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.model.errors import ExitCode
from reconciler.observe.state import read_sas
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import decide, observed_plan
from reconciler.secrets import SecretStore
from reconciler.validate import validate
from tests.lab.bench import ESP_DROP, EXAMPLE, IKE_DROP, OURS, Bench
from tests.lab.causes import AROUND, NEGOTIATED, PFS, Cause, try_in_vain
from tests.lab.releases import MIDDLE, NEW, Pair, label, of_sites, pairs

pytestmark = pytest.mark.engine


@contextmanager
def benched(engine: Engine, image: str, keys: Path, pair: Pair) -> Iterator[Bench]:
    loaded = load_tree(EXAMPLE)
    fabric, _ = validate(loaded)
    keys.chmod(0o700)
    (keys / "psk").mkdir()
    for name in ("site-a--site-b.psk", "site-a--site-c.psk"):
        (keys / "psk" / name).touch(mode=0o600)
        (keys / "psk" / name).write_text(secrets.token_hex(24))
    name = f"dia{os.getpid():x}{pair[0][0]}{pair[1][0]}"
    with Lab.up(fabric, name, engine=engine, image=image, releases=of_sites(pair)) as lab:
        found = Bench(lab, EXAMPLE, keys, SecretStore(keys), fabric, loaded)
        found.apply()
        yield found


@pytest.fixture(scope="module", params=pairs((NEW, MIDDLE)), ids=label)
def bench(
    request: pytest.FixtureRequest, engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """With IKEv2, between two releases."""
    with benched(engine, image, tmp_path_factory.mktemp("keys"), request.param) as found:
        yield found


@pytest.fixture(scope="module")
def old_bench(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """With IKEv1 between A and B, which not every release has."""
    with benched(engine, image, tmp_path_factory.mktemp("keys"), (MIDDLE, MIDDLE)) as found:
        old = found.of_tree(with_ikev1(tmp_path_factory.mktemp("v1")))
        old.apply()
        yield old


def with_ikev1(folder: Path) -> Path:
    tree = folder / "desired_state"
    shutil.copytree(EXAMPLE, tree)
    for path in (tree / "site-a/a-to-b.yaml", tree / "site-b/b-to-a.yaml"):
        path.write_text(path.read_text() + "  ike:\n    version: 1\n")
    return tree


ENDS = {"router-a": "a-to-b", "router-b": "b-to-a"}
TAKEN_BACK = "ip address delete 203.0.113.20/24 dev eth0 2>/dev/null; true"


def undo(bench: Bench) -> None:
    """As the hints say."""
    bench.sh(
        "router-b", "nft delete table inet foreign 2>/dev/null; ip route flush table 220 proto boot; true"
    )
    bench.sh("router-b", "swanctl --load-all")
    bench.wire()
    bench.sh("router-a", "ip address delete 203.0.113.20/24 dev wan0 2>/dev/null; ip neigh flush dev wan0")
    bench.lab.run(Role.BYSTANDER, "wan", ["sh", "-c", TAKEN_BACK])
    bench.down()


def repair(bench: Bench, *, applied: bool, rekey: bool = False) -> None:
    """Then nothing is found any more."""
    undo(bench)
    if applied:
        bench.apply()
    healthy = bench.diagnose(rekey=rekey)
    assert healthy.findings == ()


def check(bench: Bench, made: Cause) -> None:
    expected = made.findings(bench)
    with undone_if_it_fails(bench):
        if not made.up:
            bench.down()
        made.make(bench)
        found = bench.diagnose(rekey=made.rekey)
        said = {(item.code, item.tunnel, str(item.field)) for item in found.findings}
        assert said == expected, [f"{item.code}: {item.message} {item.seen}" for item in found.findings]
        assert made.words in "\n".join(line for item in found.findings for line in item.seen)
        for item in found.findings:
            assert (bench.tree / item.location.file).is_file()
            assert item.location.line > 0
    codes = {code for code, _, _ in expected}
    repair(bench, applied=bool(codes & {"drift", "vip-missing", "cleartext-leak"}), rekey=made.rekey)


@contextmanager
def undone_if_it_fails(bench: Bench) -> Iterator[None]:
    """So that no later test meets what a test that failed has made."""
    try:
        yield
    except BaseException:
        undo(bench)
        bench.apply()
        raise


@pytest.mark.parametrize("made", [*NEGOTIATED, *AROUND], ids=lambda made: made.name)
def test_a_cause_is_named(bench: Bench, made: Cause) -> None:
    check(bench, made)


OLD = [
    made
    for made in (*NEGOTIATED, PFS)
    if made.name not in {"ESP proposal", "peer expects another ID", "narrowing"}
]


@pytest.mark.parametrize("made", OLD, ids=lambda made: made.name)
def test_a_cause_is_named_with_ikev1(old_bench: Bench, made: Cause) -> None:
    check(old_bench, made)


def test_a_router_without_ikev1_is_named(bench: Bench, tmp_path: Path) -> None:
    """Its charon takes such a connection and never brings it up: the plan waits, and says at which router.
    Where that is set aside, the diagnosis has charon's own words."""
    if all(bench.version(name) < (6, 1) for name in ENDS):
        pytest.skip("both releases have IKEv1")
    old = bench.of_tree(with_ikev1(tmp_path))
    before = observed_plan(old.fabric, old.store, old.fleet)
    decision = decide(before, lambda _: True)
    [deferral] = decision.judgement.deferrals
    assert {item.name for item in deferral.resources} == {"a-to-b", "b-to-a"}
    lacking = {end: name for name, end in ENDS.items() if bench.version(name) >= (6, 1)}
    assert all(f"{name} (strongSwan 6.1.0)" in deferral.reason for name in lacking.values())
    assert not decision.allowed.plan.changes
    assert not apply(before, old.fleet).converged
    bench.down()
    found = old.diagnose()
    [(code, end, path)] = [(f.code, f.tunnel, str(f.field)) for f in found.findings if f.code != "drift"]
    assert (code, path) == ("ike-version-unsupported", "spec.ike.version")
    assert end in lacking
    bench.apply()


def test_of_a_disabled_tunnel_nothing_else_is_said(bench: Bench, tmp_path: Path) -> None:
    """Its traffic has no route and no exemption from NAT any more, and needs none."""
    tree = tmp_path / "desired_state"
    shutil.copytree(EXAMPLE, tree)
    for path in (tree / "site-a/a-to-b.yaml", tree / "site-b/b-to-a.yaml"):
        path.write_text(path.read_text() + "  enabled: false\n")
    off = bench.of_tree(tree)
    off.apply()
    found = {(item.code, item.tunnel, item.failure) for item in off.diagnose().findings}
    assert found == {("disabled-in-git", "a-to-b", False), ("disabled-in-git", "b-to-a", False)}
    bench.apply()


def test_a_running_tunnel_is_left_as_it_is(bench: Bench) -> None:
    bench.apply()
    before = {name: spis(bench, *name) for name in (("router-a", OURS), ("router-a", "tw-a-to-c"))}
    assert bench.diagnose().findings == ()
    assert before == {name: spis(bench, *name) for name in before}
    assert all(before.values())
    assert bench.diagnose(rekey=True).findings == ()
    after = {name: spis(bench, *name) for name in before}
    assert not before["router-a", OURS] & after["router-a", OURS]
    assert before["router-a", "tw-a-to-c"] == after["router-a", "tw-a-to-c"]


def spis(bench: Bench, router: str, connection: str) -> set[str]:
    opened = bench.connect(router)
    try:
        found = read_sas(opened.vici, connection)
    finally:
        opened.close()
    return {child.spi_in for sa in found for child in sa.children if child.state == "INSTALLED"}


UNMANAGED = [
    ("wrong key", NEGOTIATED[0].make, "authentication-refused", "spec.authentication.key"),
    ("IKE proposal", NEGOTIATED[1].make, "ike-proposal-mismatch", "spec.ike"),
    ("ESP proposal", NEGOTIATED[2].make, "esp-proposal-mismatch", "spec.ipsec"),
    ("ID", NEGOTIATED[3].make, "authentication-refused", "spec.authentication.key"),
    ("selectors", NEGOTIATED[5].make, "selector-mismatch", "spec.peer.cidrs"),
    ("PFS", PFS.make, "pfs-mismatch", "spec.ipsec.pfs"),
    ("silent", lambda b: b.nft("router-b", IKE_DROP), "peer-silent", "spec.peer.address"),
    ("half open", try_in_vain, "half-open", "spec.peer.address"),
]


def unmanaged(folder: Path) -> Path:
    """The desired state of site A, to which site B is unmanaged; the file of its tunnel."""
    shutil.copytree(EXAMPLE, folder / "desired_state")
    shutil.rmtree(folder / "desired_state/site-b")
    end = folder / "desired_state/site-a/a-to-b.yaml"
    end.write_text(
        end.read_text().replace(
            "    address: 203.0.113.20\n", "    address: 203.0.113.20\n    managed: false\n"
        )
    )
    return end


@pytest.mark.parametrize(("make", "code", "path"), [u[1:] for u in UNMANAGED], ids=[u[0] for u in UNMANAGED])
def test_what_can_be_known_from_one_end(
    bench: Bench, tmp_path: Path, make: Callable[[Bench], None], code: str, path: str
) -> None:
    """The peer is unmanaged: only our own end is observed."""
    unmanaged(tmp_path)
    alone = bench.of_tree(tmp_path / "desired_state")
    alone.apply()
    with undone_if_it_fails(bench):
        bench.down()
        make(bench)
        found = alone.diagnose(rekey=True)
        assert [(f.code, f.tunnel, str(f.field)) for f in found.findings] == [(code, "a-to-b", path)]
    repair(bench, applied=True)
    alone.apply()
    assert alone.diagnose().findings == ()
    bench.apply()


def test_packets_that_never_come_back_from_an_unmanaged_peer(bench: Bench, tmp_path: Path) -> None:
    """Where a target is named it has to answer; without one, only the counters say so, which may be right."""
    end = unmanaged(tmp_path)
    before = end.read_text()
    end.write_text(before + "  probe:\n    target: 10.2.0.1\n")
    asking = bench.of_tree(tmp_path / "desired_state")
    asking.apply()
    assert asking.diagnose().findings == ()
    bench.down()
    bench.nft("router-b", ESP_DROP)
    [lost] = asking.diagnose().findings
    assert (lost.code, lost.failure) == ("one-way", True)
    assert "3 packets encrypted at router-a, 0 decrypted" in lost.seen
    bench.sh("router-a", "ping -q -c 5 -i 0.1 -W 1 -I 10.1.0.1 10.2.0.1; true")
    end.write_text(before)
    [lost] = bench.of_tree(tmp_path / "desired_state").diagnose().findings
    assert (lost.code, lost.failure) == ("one-way", False)
    repair(bench, applied=True)


REFUSED = [
    ("  ike:\n    encryption: aes-128\n", "NO_PROPOSAL_CHOSEN", "spec.ike.encryption"),
    ("  ipsec:\n    pfs: dh-group15\n", "NO_PROPOSAL_CHOSEN", "spec.ipsec.pfs"),
    (
        "  identity:\n    type: name\n    local: other.example\n    peer: 203.0.113.20\n",
        "AUTHENTICATION_FAILED",
        "spec.identity.local",
    ),
    ("site-a--site-c.psk", "AUTHENTICATION_FAILED", "spec.authentication.key"),
]


def test_a_change_that_the_peer_refuses_is_named(bench: Bench, tmp_path: Path) -> None:
    """Each is tried beside the running tunnel, which goes on; what was changed is named, whichever it is."""
    end = unmanaged(tmp_path)
    before = end.read_text()
    bench.of_tree(tmp_path / "desired_state").apply()
    for change, answer, path in REFUSED:
        changed = before.replace("site-a--site-b.psk", change) if change.endswith(".psk") else before + change
        end.write_text(changed)
        other = bench.of_tree(tmp_path / "desired_state")
        assert not apply(observed_plan(other.fabric, other.store, other.fleet), other.fleet).converged
        [found] = other.diagnose().findings
        assert (found.code, str(found.field), answer in found.message) == ("change-refused", path, True), (
            found
        )
    end.write_text(before)
    again = bench.of_tree(tmp_path / "desired_state")
    again.apply()
    assert again.diagnose().findings == ()
    bench.apply()


def test_the_command_line_says_it(
    bench: Bench, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tmp_path / "desired_state"
    shutil.copytree(EXAMPLE, tree)
    where = ["--lab", bench.lab.name, "--secrets", str(bench.keys)]

    def run(*words: str) -> tuple[int, list[dict[str, Any]]]:
        code = main(["diagnose", str(tree), *words, *where, "--json"])
        said = capsys.readouterr()
        assert said.err == ""
        return code, [json.loads(line) for line in said.out.splitlines()]

    code, objects = run()
    assert (code, [item["type"] for item in objects]) == (ExitCode.OK, ["version", "diagnosis_summary"])
    assert len(objects[-1]["tunnels"]) == 4
    for path in (tree / "site-a/a-to-c.yaml", tree / "site-c/c-to-a.yaml"):
        path.write_text(path.read_text() + "  enabled: false\n")
    code, objects = run("a-to-c")
    assert {item["code"] for item in objects if item["type"] == "finding"} == {"disabled-in-git", "drift"}
    with engine.connect() as client:
        container = bench.lab.container(Role.ROUTER, "router-b")
        client.pause(container)
        try:
            code, objects = run("a-to-b")
        finally:
            client.unpause(container)
    assert code == ExitCode.UNREACHABLE
    assert {(item["code"], item["tunnel"]) for item in objects if item["type"] == "finding"} == {
        ("router-unreachable", "b-to-a")
    }
    assert main(["diagnose", str(tree), "unknown", *where]) == ExitCode.ERROR
    assert "no tunnel is called unknown" in capsys.readouterr().err
