"""The command line against three real routers, as a user types it."""

from __future__ import annotations

import base64
import secrets
import signal
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP

from lab.capture import Capture
from lab.engine import Engine, until
from lab.packets import Packet
from lab.session import Lab
from lab.topology import Role
from lab.traffic import make_batch, send
from reconciler.model.errors import ExitCode
from tests.lab.repository import KEYS, Repository

pytestmark = pytest.mark.engine


@pytest.fixture
def repository(lab3: Lab, tmp_path: Path) -> Repository:
    """Fresh keys each time, so that every test has something to apply."""
    found = Repository(tmp_path, lab3.name)
    found.create({name: f"PLANTED-{secrets.token_hex(16)}" for name in KEYS})
    return found


def test_plan_apply_plan_verify_status(repository: Repository) -> None:
    assert repository.run("plan", "--detailed-exitcode").returncode == ExitCode.CHANGES
    applied = repository.run("apply", "--auto-approve")
    assert applied.returncode == ExitCode.OK, applied.stdout + applied.stderr
    assert "Apply complete! Resources:" in applied.stdout
    again = repository.run("plan", "--detailed-exitcode")
    assert (again.returncode, again.stdout) == (
        0,
        "No changes. The live routers match the desired state.\n",
    )
    verified = repository.run("verify")
    assert verified.returncode == ExitCode.OK, verified.stdout
    status = repository.run("status", "-v").stdout
    assert "aes256gcm16-prfsha256-curve25519" in status
    assert "2 of 2 connections are up.\n" in status
    assert status.count(": up  ") == 4
    assert "drift" not in status


def test_json_output_is_lines_of_objects_that_begin_with_the_version(repository: Repository) -> None:
    for words in (("plan",), ("apply", "--auto-approve"), ("status",), ("verify",)):
        objects = repository.objects(*words)
        assert objects[0]["type"] == "version"
        assert all("type" in item for item in objects)


def test_a_plan_that_is_not_approved(repository: Repository) -> None:
    refused = repository.run("apply")
    assert refused.returncode == ExitCode.ERROR
    assert "the plan was not approved" in refused.stderr
    assert repository.run("plan", "--detailed-exitcode").returncode == ExitCode.CHANGES


def test_a_saved_plan_is_good_once_and_for_what_it_was_made_of(
    repository: Repository, tmp_path: Path
) -> None:
    saved, other = str(tmp_path / "plan.json"), str(tmp_path / "other.json")
    repository.run("plan", "--out", saved)
    repository.run("plan", "--out", other)
    repository.edit("site-a/a-to-b.yaml", "Applications of", "All applications of")
    repository.commit("after the plan")
    first = repository.run("apply", saved)
    assert first.returncode == ExitCode.OK, first.stderr
    for path in (saved, other):
        stale = repository.run("apply", path)
        assert stale.returncode == ExitCode.STALE
        assert "make a new plan" in stale.stderr


def test_a_change_of_one_field_touches_one_tunnel(repository: Repository) -> None:
    repository.run("apply", "--auto-approve")
    before = _spis(repository)
    for file in ("site-a/a-to-b.yaml", "site-b/b-to-a.yaml"):
        path = repository.tree / file
        path.write_text(path.read_text() + "  ipsec:\n    encryption: aes-128\n")
    repository.commit("aes-128")
    plan = repository.objects("plan")
    touched = {(item["kind"], item["name"]) for item in plan if item["type"] == "resource_change"}
    assert touched == {("tunnel", "a-to-b"), ("tunnel", "b-to-a")}
    assert {item["disruption"] for item in plan if item["type"] == "resource_change"} == {
        "make-before-break",
        "none",
    }
    applied = repository.run("apply", "--auto-approve")
    assert applied.returncode == ExitCode.OK
    assert "1 of 1 unrelated tunnel kept its SPIs" in applied.stdout
    after = _spis(repository)
    assert {key for key in before if before[key] != after[key]} == {
        ("router-a", "tw-a-to-b"),
        ("router-b", "tw-b-to-a"),
    }


def _spis(repository: Repository) -> dict[tuple[str, str], set[tuple[str, str]]]:
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for item in repository.objects("status"):
        if item["type"] == "ike_sa":
            pairs = {(child["spi_in"], child["spi_out"]) for child in item["children"]}
            found.setdefault((item["router"], item["connection"]), set()).update(pairs)
    return found


def test_only_the_target_is_changed(repository: Repository) -> None:
    objects = repository.objects("plan", "--target", "c-to-a")
    names = {
        item["name"] for item in objects if item["type"] == "resource_change" and item["kind"] == "tunnel"
    }
    assert names == {"a-to-c", "c-to-a"}
    objects = repository.objects("plan", "--exclude", "a-to-c")
    names = {
        item["name"] for item in objects if item["type"] == "resource_change" and item["kind"] == "tunnel"
    }
    assert names == {"a-to-b", "b-to-a"}


def test_a_router_that_is_down_delays_no_other(repository: Repository, lab3: Lab, engine: Engine) -> None:
    container = lab3.container(Role.ROUTER, "router-c")
    with engine.connect() as client:
        client.pause(container)
        try:
            applied = repository.run("apply", "--auto-approve")
        finally:
            client.unpause(container)
    assert applied.returncode == ExitCode.UNREACHABLE, applied.stderr
    assert "! router-c: not planned, unreachable: container" in applied.stdout
    assert "! a-to-c: withheld" in applied.stdout
    assert "load connection tw-a-to-b" in applied.stdout
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.OK


def test_an_apply_killed_at_any_step_is_finished_by_the_next_one(repository: Repository, lab3: Lab) -> None:
    """SIGKILL after each step in turn, so in the middle of the next. The tunnel carries traffic all the
    while, and the lock of a process that has gone holds up no other on its machine."""
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.OK
    through = ["ping", "-c", "3", "-i", "0.05", "-W", "2", "-I", "10.1.0.1", "10.3.0.1"]
    killed = 0
    while True:
        repository.set_key("site-a--site-c.psk", secrets.token_hex(16))
        process = repository.start("apply", "--auto-approve")
        assert process.stderr is not None
        ends = (number for number, line in enumerate(process.stderr) if line.startswith("  ✓"))
        reached = next((number for number in ends if number == killed), None)
        process.send_signal(signal.SIGKILL)
        repository.finish(process)
        if reached is None:
            break
        assert lab3.exec(Role.ROUTER, "router-a", through).exit_code == 0, f"killed after step {killed}"
        again = repository.run("apply", "--auto-approve")
        assert again.returncode == ExitCode.OK, again.stdout + again.stderr
        killed += 1
    assert killed > 6
    assert repository.run("verify").returncode == ExitCode.OK


def test_a_key_is_nowhere_but_in_private_files(repository: Repository, lab3: Lab) -> None:
    """The planted keys, and every form in which the tool handles them, are searched for."""
    started = time.time()
    repository.run("plan", "--out", str(repository.folder / "plan.json"))
    repository.run("apply", "--auto-approve")
    repository.objects("status")
    repository.run("verify")
    # Error paths: a rejected key, a key that others may read, a key that is missing.
    right = repository.key(KEYS[0]).read_text()
    repository.set_key(KEYS[0], f"{right}-changed")
    repository.key(KEYS[1]).chmod(0o644)
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.INCOMPLETE
    repository.key(KEYS[1]).unlink()
    assert repository.run("plan").returncode == ExitCode.INCOMPLETE
    marks = [b"PLANTED-", base64.b64encode(b"PLANTED-")[:10], b"PLANTED-".hex().encode()]

    for text in repository.said:
        assert not any(mark in text.encode() for mark in marks)
    outside = [p for p in repository.folder.rglob("*") if p.is_file() and repository.secrets not in p.parents]
    assert repository.folder / "plan.json" in outside
    for path in outside:
        assert not any(mark in path.read_bytes() for mark in marks), path

    names = "\\|".join(mark.decode() for mark in marks)
    recent = f"find / -xdev -type f -newerct @{started - 60:.0f}"
    search = f"{recent} -exec grep -l '{names}' {{}} + 2>/dev/null || true"
    for router in ("router-a", "router-b", "router-c"):
        found = lab3.run(Role.ROUTER, router, ["sh", "-c", search]).split()
        assert found, "the key is on the router, in its own file"
        assert all(name.startswith("/etc/swanctl/conf.d/tw-") for name in found)
        modes = lab3.run(Role.ROUTER, router, ["stat", "-c", "%a", *found]).split()
        assert set(modes) == {"600"}
        assert not any(mark.decode() in lab3.charon_log(router).read_text(errors="replace") for mark in marks)


def test_a_commit_that_rotates_an_encrypted_key_is_applied_as_any_other(repository: Repository) -> None:
    private = ("--tree", str(repository.tree), "--secrets", str(repository.secrets))
    repository.key(KEYS[0]).unlink()
    for words in (("init",), ("set", "keys/a--b.age", "--random")):
        assert repository.run_plain("secret", *words, *private).returncode == ExitCode.OK
    for file in ("site-a/a-to-b.yaml", "site-b/b-to-a.yaml"):
        repository.edit(file, f"file: {KEYS[0]}", "age: keys/a--b.age")
    repository.commit("the key is in the repository")
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.OK
    assert repository.run_plain("secret", "rotate", "keys/a--b.age", *private).returncode == ExitCode.OK
    assert repository.run("plan", "--detailed-exitcode").returncode == ExitCode.OK, "HEAD has the former one"
    repository.commit("another key")
    changes = [item["name"] for item in repository.objects("plan") if item["type"] == "resource_change"]
    assert changes == ["a-to-b", "b-to-a"]
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.OK
    assert repository.run("verify").returncode == ExitCode.OK
    assert repository.run_plain("secret", "rekey", *private).returncode == ExitCode.OK
    repository.commit("encrypted anew")
    assert repository.run("plan", "--detailed-exitcode").returncode == ExitCode.OK


def test_no_key_is_ever_a_process_argument(repository: Repository) -> None:
    """Every process that is seen while an apply runs; those of the containers are this machine's too. Theirs
    end within milliseconds: a busy machine looks again while nothing but a look is left to do."""
    seen: set[str] = set()
    for _ in range(20):
        process = repository.start("apply", "--auto-approve")
        while process.poll() is None:
            seen |= {_read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
        assert repository.finish(process).returncode == ExitCode.OK
        if any('cd "$FOLDER"' in line for line in seen):
            break
    assert any('cd "$FOLDER"' in line for line in seen), "commands in routers are among them"
    assert not any("PLANTED" in line or "UExBTlRFRC" in line for line in seen)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_a_flow_that_was_translated_before_its_tunnel_came_goes_through_it(
    repository: Repository, lab3: Lab
) -> None:
    """The router's own source NAT has claimed the flow: it must not keep it."""
    repository.run("apply", "--auto-approve")
    for file in ("site-a/a-to-b.yaml", "site-b/b-to-a.yaml"):
        (repository.tree / file).rename(repository.folder / Path(file).name)
    repository.commit("no tunnel between a and b")
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.OK
    # One batch is one flow: its packets share a source port.
    batch = make_batch("10.1.0.10", "10.2.0.10", 200)
    packets = [probe.ip for probe in batch.probes]
    with Capture(lab3, Role.WIRE, lab3.name, lab3.topology.bridge("wan", "wan")) as wan:
        send(lab3, Role.HOST, "a-app", packets[:20])
        assert until(lambda: any(batch.token in p.frame for p in wan.packets()), 5), "it goes out translated"
    for file in ("site-a/a-to-b.yaml", "site-b/b-to-a.yaml"):
        (repository.folder / Path(file).name).rename(repository.tree / file)
    repository.commit("the tunnel again")
    with Capture(lab3, Role.HOST, "b-app", "eth0", incoming=True) as far:
        assert repository.run("apply", "--auto-approve").returncode == ExitCode.OK
        send(lab3, Role.HOST, "a-app", packets[20:60])
        wanted = {probe.payload for probe in batch.probes[20:60]}
        assert far.wait_for(lambda seen: wanted <= {p.payload for p in seen if p.source == "10.1.0.10"}, 5)


def test_a_charon_that_is_killed_brings_its_tunnels_back(repository: Repository, lab3: Lab) -> None:
    repository.run("apply", "--auto-approve")
    (lab3.places.run("router-a") / "ready").unlink()
    lab3.run(Role.ROUTER, "router-a", ["pkill", "-KILL", "charon-systemd"])
    lab3.wait_ready("router-a")
    assert repository.run("plan", "--detailed-exitcode").returncode == ExitCode.OK
    with Capture(lab3, Role.HOST, "b-app", "eth0", incoming=True) as far:
        batch = make_batch("10.1.0.10", "10.2.0.10", 300)
        send(lab3, Role.HOST, "a-app", [probe.ip for probe in batch.probes])
        wanted = {batch.probes[-1].payload}
        assert far.wait_for(lambda seen: wanted <= {p.payload for p in seen}, 15), "traffic alone woke it"


def test_tcp_is_clamped_to_the_tunnel(repository: Repository, lab3: Lab) -> None:
    repository.run("apply", "--auto-approve")
    repository.run("verify")
    port = 40000 + secrets.randbelow(20000)
    syn = bytes(IP(src="10.1.0.10", dst="10.2.0.10") / TCP(sport=port, dport=9, options=[("MSS", 1460)]))
    with Capture(lab3, Role.HOST, "b-app", "eth0", incoming=True) as far:
        send(lab3, Role.HOST, "a-app", [syn])
        frames: list[bytes] = []

        def arrived(seen: list[Packet]) -> bool:
            frames[:] = [p.frame for p in seen if p.protocol == 6 and p.source == "10.1.0.10"]
            return bool(frames)

        assert far.wait_for(arrived, 5)
    options = dict(IP(frames[0][14:])[TCP].options)
    assert options["MSS"] == 1360


def test_a_router_that_another_run_changes_is_refused_or_waited_for(
    repository: Repository, lab3: Lab
) -> None:
    lock = "read up _ < /proc/uptime; echo other@host:7 $((${up%.*} + 60)) > /run/tunnelwright.lock"
    lab3.run(Role.ROUTER, "router-b", ["sh", "-c", lock])
    refused = repository.run("apply", "--auto-approve")
    assert refused.returncode == ExitCode.LOCKED
    assert "! router-b: not planned, other@host:7 is changing this router" in refused.stdout
    assert lab3.exec(Role.ROUTER, "router-a", ["test", "-e", "/run/tunnelwright.lock"]).exit_code == 1
    waiting = repository.start("apply", "--auto-approve", "--lock-timeout", "60")
    held = ["test", "-s", "/run/tunnelwright.lock"]
    assert until(lambda: lab3.exec(Role.ROUTER, "router-a", held).exit_code == 0, 20), "it waits at router-b"
    lab3.run(Role.ROUTER, "router-b", ["rm", "/run/tunnelwright.lock"])
    assert repository.finish(waiting).returncode == ExitCode.OK


def test_a_killed_apply_leaves_a_lock_that_expires(repository: Repository, lab3: Lab) -> None:
    """Where it cannot be seen that the process has gone, the lease decides: it is as from another machine."""
    process = repository.start("apply", "--auto-approve")
    assert process.stderr is not None
    next(line for line in process.stderr if "load key" in line)
    process.send_signal(signal.SIGKILL)
    repository.finish(process)
    for router in ("router-a", "router-b", "router-c"):
        lab3.run(Role.ROUTER, router, ["sed", "-i", "s/^[^ ]*/other@host:7/", "/run/tunnelwright.lock"])
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.LOCKED
    script = "read owner until < /run/tunnelwright.lock; read up _ < /proc/uptime; "
    script += "test $until -le $((${up%.*} + 120))"
    lab3.run(Role.ROUTER, "router-a", ["sh", "-c", script])
    for router in ("router-a", "router-b", "router-c"):
        lab3.run(Role.ROUTER, router, ["sed", "-i", "s/ .*/ 1/", "/run/tunnelwright.lock"])
    assert repository.run("apply", "--auto-approve").returncode == ExitCode.OK
