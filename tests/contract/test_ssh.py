"""What only SSH has: whom it trusts, who is let in, and connections that break."""

from __future__ import annotations

import base64
import threading
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from lab.topology import Role
from reconciler.apply import apply_plan
from reconciler.cli.main import main
from reconciler.model.errors import ExitCode, RouterUnreachable
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Phase
from reconciler.routers.ssh_router import SshRouter
from tests.contract.sites import PSK, Site
from tests.contract.sshd import HOST_KEY, Sshd

pytestmark = pytest.mark.engine

TREE = """\
apiVersion: tunnelwright/v1
kind: PublicNetwork
metadata: {name: internet}
spec:
  cidr: 203.0.113.0/24
  normalRanges:
    - {name: normal, first: 203.0.113.10, last: 203.0.113.99}
"""
END = """\
---
apiVersion: tunnelwright/v1
kind: VpcNetwork
metadata: {{name: {here}-net}}
spec: {{cidr: 10.{me}.0.0/24}}
---
apiVersion: tunnelwright/v1
kind: VpcRouter
metadata: {{name: {here}}}
spec:
  publicNetworks:
    - {{network: internet, interface: eth0, address: 203.0.113.{me}}}
  vpcNetworks:
    - {{network: {here}-net, interface: eth1, address: 10.{me}.0.1}}
  access:
    ssh: {{host: {here}, user: root, viciSocket: /run/charon/charon.vici}}
---
apiVersion: tunnelwright/v1
kind: IPsecTunnel
metadata: {{name: {here}-{there}}}
spec:
  router: {here}
  vip:
    create: {{publicNetwork: internet, address: 203.0.113.1{me}}}
  peer:
    address: 203.0.113.1{far}
    cidrs: [10.{far}.0.0/24]
  authentication:
    mode: psk
    key: {{file: pair.psk}}
  ike: {{dhGroup: 14}}
"""


by_ssh = pytest.mark.parametrize("site", ["ssh"], indirect=True)


def refusal(sshd: Sshd, **how: str) -> RouterUnreachable:
    with pytest.raises(RouterUnreachable) as caught:
        SshRouter("paris", sshd.access("paris", **how)).close()
    assert caught.value.router == "paris"
    assert caught.value.hint
    return caught.value


def fingerprint(sshd: Sshd) -> str:
    command = ["ssh-keygen", "-lf", HOST_KEY]
    return sshd.lab.run(Role.ROUTER, "paris", command).split()[1]


def test_an_unknown_host_key_is_refused_and_shown(sshd: Sshd) -> None:
    trusted = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text("")
    try:
        error = refusal(sshd)
    finally:
        sshd.known_hosts.write_text(trusted)
    assert "host key of paris is not trusted" in error.message
    assert fingerprint(sshd) in error.message
    assert "known_hosts" in error.hint


def test_a_host_key_that_changed_is_refused(sshd: Sshd) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    trusted = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text(f"paris {other}")
    try:
        assert fingerprint(sshd) in refusal(sshd).message
    finally:
        sshd.known_hosts.write_text(trusted)
    assert "spec.access.ssh.hostKey" in refusal(sshd, host_key=other).hint


def test_a_host_key_in_the_desired_state_needs_no_known_hosts(sshd: Sshd) -> None:
    host_key = sshd.lab.run(Role.ROUTER, "paris", ["ssh-keygen", "-yf", HOST_KEY])
    trusted = sshd.known_hosts.read_text()
    sshd.known_hosts.unlink()
    try:
        router = SshRouter("paris", sshd.access("paris", host_key=host_key.strip()))
    finally:
        sshd.known_hosts.write_text(trusted)
    assert router.vici.request("version")["daemon"] == "charon-systemd"
    router.close()


def test_a_key_that_is_not_let_in_is_refused_without_a_question(sshd: Sshd, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(stranger)
    assert "accepts none of our keys" in refusal(sshd, identity=str(stranger)).message
    assert "cannot be read" in str(refusal_of_a_missing_key(sshd, tmp_path))


def refusal_of_a_missing_key(sshd: Sshd, folder: Path) -> RouterUnreachable:
    with pytest.raises(RouterUnreachable) as caught:
        SshRouter("paris", sshd.access("paris", identity=str(folder / "none")))
    return caught.value


def test_forwarding_that_is_forbidden_is_named(sshd: Sshd) -> None:
    sshd.configure("paris", AllowStreamLocalForwarding="no")
    try:
        error = refusal(sshd)
    finally:
        sshd.configure("paris")
    assert "does not forward to charon's VICI socket /run/charon/charon.vici" in error.message
    assert "AllowStreamLocalForwarding" in error.hint


def test_a_router_without_sshd_does_not_answer(sshd: Sshd) -> None:
    with pytest.raises(RouterUnreachable, match=r"127\.0\.0\.1 does not answer"):
        SshRouter("paris", replace(sshd.access("paris"), host="127.0.0.1", port=1))


@by_ssh
def test_a_connection_that_breaks_in_the_middle_is_an_outcome(site: Site, sshd: Sshd) -> None:
    def cut(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.SECRETS:
            sshd.lab.exec(Role.ROUTER, "tokyo", ["pkill", "-KILL", "sshd"])

    plan = site.preview().plan
    outcomes = apply_plan(plan, site.connect, patience=2, progress=cut)
    assert len(outcomes) == len(plan.steps)
    failed = [o for o in outcomes if o.status is Status.FAILED]
    assert {o.step.router for o in failed} == {"tokyo"}
    assert all(o.message for o in outcomes if o.status is not Status.DONE)
    assert site.apply().converged


@by_ssh
def test_no_process_on_the_router_is_ever_given_a_key(site: Site, sshd: Sshd) -> None:
    """Everything that runs there while an apply goes on is looked at, over and over."""
    seen: list[bytes] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            listing = sshd.lab.exec(
                Role.ROUTER, "paris", ["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ"]
            )
            seen.append(listing.stdout.encode())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert site.apply().converged
    finally:
        done.set()
        watcher.join()
    everything = b"".join(seen)
    assert len(seen) > 3
    assert b"sshd" in everything
    for form in (PSK.encode(), base64.b64encode(PSK.encode()), PSK.encode().hex().encode()):
        assert form not in everything


@pytest.mark.usefixtures("site")
@by_ssh
def test_the_command_line_goes_by_ssh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree, keys = tmp_path / "tree", tmp_path / "keys"
    tree.mkdir()
    keys.mkdir(mode=0o700)
    ends = (("paris", "tokyo", 1, 2), ("tokyo", "paris", 2, 1))
    text = TREE + "".join(END.format(here=h, there=t, me=m, far=f) for h, t, m, f in ends)
    (tree / "fabric.yaml").write_text(text)
    (keys / "pair.psk").touch(mode=0o600)
    (keys / "pair.psk").write_text(PSK)
    arguments = [str(tree), "--secrets", str(keys)]
    assert main(["apply", *arguments, "--auto-approve"]) == ExitCode.OK
    assert main(["plan", *arguments, "--detailed-exitcode"]) == ExitCode.OK
    assert main(["verify", *arguments]) == ExitCode.OK
    assert "No changes." in capsys.readouterr().out
    # The fixture's own controller has another fingerprint key: let it find a bare router.
    (tree / "fabric.yaml").write_text(text.replace("ike: {dhGroup: 14}", "enabled: false"))
    assert main(["apply", *arguments, "--auto-approve"]) == ExitCode.OK
