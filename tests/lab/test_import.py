"""Routers that were configured by hand become desired state, and what runs on them is never taken down."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
from collections.abc import Iterator

import pytest

from lab.engine import Engine, until
from lab.session import Lab
from lab.topology import Role
from reconciler.load import load_tree
from reconciler.model.errors import ExitCode
from reconciler.model.outcome import IN_FLIGHT
from reconciler.validate import validate
from tests.lab.repository import KEYS, ROOT, Repository

pytestmark = pytest.mark.engine
TUNNELS = ("site-a/a-to-b.yaml", "site-a/a-to-c.yaml", "site-b/b-to-a.yaml", "site-c/c-to-a.yaml")
BY_HAND = """\
defaults {{
  version = 2
  proposals = aes256-sha256-modp2048, aes128-sha256-modp2048
  mobike = no
}}
connections {{
  office : defaults {{
    local_addrs = {local}
    remote_addrs = {remote}
    local {{
      auth = psk
      id = {here}.example
    }}
    remote {{
      auth = psk
      id = {there}.example
    }}
    children {{
      office {{
        local_ts = {source}
        remote_ts = {destination}
        esp_proposals = aes256-sha256-modp2048
        start_action = trap
      }}
    }}
  }}
}}
secrets {{
  ike-office {{
    id-1 = {there}.example
    secret = "{key}"
  }}
  # The peer's identity counts more than our own (credential_manager.c, get_shared).
  ike-decoy {{
    id-1 = {here}.example
    secret = "PLANTED decoy of {here}"
  }}
}}
"""
NO_NAT = """
table ip office {{
  chain exempt {{
    type nat hook postrouting priority 90;
    ip saddr {source} ip daddr {destination} snat to ip saddr
  }}
}}
"""
ENDS = (
    ("router-a", "203.0.113.2", "a", "10.1.0.0/24"),
    ("router-b", "203.0.113.3", "b", "10.2.0.0/24"),
)


@pytest.fixture
def repository(
    engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Repository]]:
    """A lab of its own, and the desired state without any tunnel."""
    fabric, _ = validate(load_tree(ROOT / "desired_state"))
    with Lab.up(fabric, f"imp{secrets.token_hex(3)}", engine=engine, image=image) as lab:
        found = Repository(tmp_path_factory.mktemp("repository"), lab.name)
        found.create({name: f"PLANTED-{secrets.token_hex(16)}" for name in KEYS})
        yield lab, found


def without_tunnels(repository: Repository) -> None:
    for file in TUNNELS:
        (repository.tree / file).unlink()
    (repository.tree / "vips.lock.yaml").unlink()
    repository.commit("the tunnels are lost")


def read(repository: Repository, *words: str) -> str:
    """Run `import`; what it said on both streams."""
    place = ["--lab", repository.lab, "--secrets", str(repository.secrets)]
    done = repository.run_plain("import", str(repository.tree), *place, *words)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_lost_tree_comes_back_and_plans_to_nothing(repository: tuple[Lab, Repository]) -> None:
    _, tree = repository
    assert tree.run("apply", "--auto-approve").returncode == ExitCode.OK
    without_tunnels(tree)
    for key in KEYS:
        (tree.secrets / "psk" / key).unlink()
    said = read(tree, "--write-keys")
    assert "warning" not in said
    assert "4 tunnel ends imported" in said
    tree.commit("imported")
    planned = tree.run("plan", "--detailed-exitcode")
    assert planned.returncode == ExitCode.OK, planned.stdout
    assert planned.stdout == "No changes. The live routers match the desired state.\n"
    assert {path.stat().st_mode & 0o777 for path in tree.secrets.rglob("*.*")} == {0o600}
    assert not any("PLANTED" in text for text in tree.said)


def test_a_connection_made_by_hand_is_taken_over_without_losing_a_packet(
    repository: tuple[Lab, Repository],
) -> None:
    lab, tree = repository
    without_tunnels(tree)
    shutil.rmtree(tree.secrets)
    assert tree.run("apply", "--auto-approve").returncode == ExitCode.OK
    key = f"PLANTED {secrets.token_hex(16)}"
    for (router, local, here, source), (_, remote, there, destination) in (ENDS, ENDS[::-1]):
        text = BY_HAND.format(
            local=local,
            remote=remote,
            here=here,
            there=there,
            source=source,
            destination=destination,
            key=key,
        )
        script = (
            f"umask 077; cat > /etc/swanctl/conf.d/office.conf <<'CONF'\n{text}\nCONF\nswanctl --load-all"
        )
        lab.run(Role.ROUTER, router, ["sh", "-c", script])
        exempt = NO_NAT.format(source=source, destination=destination)
        lab.run(Role.ROUTER, router, ["sh", "-c", f"nft -f - <<'RULES'{exempt}RULES"])
    lab.run(Role.ROUTER, "router-a", ["swanctl", "--initiate", "--child", "office"])
    said = read(tree, "--write-keys")
    assert "proposals leaves a choice; the negotiated value is taken: aes256-sha256-modp2048" in said
    tree.commit("imported")
    planned = tree.run("plan").stdout
    assert "takes over the connection office" in planned
    assert "rename /etc/swanctl/conf.d/office.conf to /etc/swanctl/conf.d/office.conf.adopted" in planned
    assert "interrupts" not in planned
    assert "1 make-before-break" in planned

    replies: list[str] = []
    through = ["ping", "-c", "1", "-W", "1", "-I", "10.1.0.1", "10.2.0.1"]
    assert until(lambda: lab.exec(Role.ROUTER, "router-a", through).exit_code == 0, 10)
    stream = ["ping", "-q", "-i", "0.02", "-c", "300", "-W", "2", "-I", "10.1.0.1", "10.2.0.1"]
    thread = threading.Thread(target=lambda: replies.append(lab.exec(Role.ROUTER, "router-a", stream).stdout))
    thread.start()
    applied = tree.run("apply", "--auto-approve")
    thread.join()
    assert applied.returncode == ExitCode.OK, applied.stdout + applied.stderr
    counted = re.search(r"(\d+) packets transmitted, (\d+) received", replies[0])
    assert counted is not None
    assert int(counted[1]) - int(counted[2]) <= IN_FLIGHT
    for router in ("router-a", "router-b"):
        for listing in ("--list-sas", "--list-conns"):
            lines = lab.run(Role.ROUTER, router, ["swanctl", listing]).splitlines()
            assert any(line.startswith("tw-office") for line in lines)
            assert not any(line.startswith("office:") for line in lines)
    assert tree.run("plan").stdout == "No changes. The live routers match the desired state.\n"
    assert tree.run("verify").returncode == ExitCode.OK

    # The file that would bring the old connection back when charon starts is out of its way.
    for router in ("router-a", "router-b"):
        listed = lab.run(Role.ROUTER, router, ["ls", "/etc/swanctl/conf.d"]).split()
        assert "office.conf.adopted" in listed
        assert "office.conf" not in listed
        (lab.places.run(router) / "ready").unlink()
        lab.run(Role.ROUTER, router, ["pkill", "-KILL", "charon-systemd"])
        lab.wait_ready(router)
        listed = lab.run(Role.ROUTER, router, ["swanctl", "--list-conns"]).splitlines()
        assert not any(line.startswith("office:") for line in listed)
    assert until(lambda: tree.run("verify").returncode == ExitCode.OK, 20)
    assert tree.run("plan").stdout == "No changes. The live routers match the desired state.\n"
    assert not any("PLANTED" in text for text in tree.said)
