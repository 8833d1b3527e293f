"""What only SSH has: connections that break, what others see of them, and the command line on top."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.topology import Role
from reconciler.apply.phases import apply_plan
from reconciler.cli.main import main
from reconciler.model.errors import ExitCode, RouterUnreachable
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Phase
from reconciler.routers.ssh_router import SshRouter
from tests.contract.sites import PSK, PSK_VARIABLE, Site
from tests.contract.sshd import Sshd, replaced
from tests.converged import assert_converged
from tests.documents import SITE, TUNNEL, WAN

pytestmark = pytest.mark.engine

WITNESS = "/run/witness"
WITNESS_SCRIPT = f"""\
(echo "$SSH_ORIGINAL_COMMAND"; cat /proc/$$/environ) >> {WITNESS}.log
exec sh -c "$SSH_ORIGINAL_COMMAND"
""".encode()
END = f"""\
---
{SITE}\
  access:
    ssh: {{{{host: {{here}}, user: root, viciSocket: /run/charon/charon.vici}}}}
---
{TUNNEL}\
    key: {{{{file: pair.psk}}}}
  ike: {{{{dhGroup: 14}}}}
"""


by_ssh = pytest.mark.parametrize("site", ["ssh"], indirect=True)


@by_ssh
def test_a_connection_that_breaks_in_the_middle_is_an_outcome(site: Site, sshd: Sshd) -> None:
    def cut(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.SECRETS:
            sshd.lab.exec(Role.ROUTER, "tokyo", ["pkill", "-KILL", "sshd"])

    _apply_until_tokyo_fails(site, cut)
    assert_converged(site.apply())


@by_ssh
def test_a_router_that_is_killed_in_the_middle_is_an_outcome(site: Site, sshd: Sshd) -> None:
    killed: list[float] = []

    def kill(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.SECRETS and not killed:
            killed.append(time.monotonic())
            with sshd.lab.engine.connect() as client:
                client.kill(sshd.lab.container(Role.ROUTER, "tokyo"))

    try:
        _apply_until_tokyo_fails(site, kill)
        assert time.monotonic() - killed[0] < 30
        assert set(site.preview().plan.unreachable) == {"tokyo"}
    finally:
        sshd.lab.reboot(Role.ROUTER, "tokyo")
        # The lab gives it new interfaces; a router that reboots keeps its own, and is found at once.
        sshd.lab.run(Role.ROUTER, "paris", ["ip", "neighbour", "flush", "all"])
    applied = site.apply()
    assert_converged(applied)


def _apply_until_tokyo_fails(site: Site, harm: Callable[[Outcome], None]) -> None:
    plan = site.preview().plan
    outcomes = apply_plan(plan, site.fleet, timeout=2, progress=harm)
    assert len(outcomes) == len(plan.steps)
    failed = [o for o in outcomes if o.status is Status.FAILED]
    assert {o.step.router for o in failed} == {"tokyo"}
    assert any("the connection to tokyo broke" in o.message for o in failed)
    assert all(o.message for o in outcomes if o.status is not Status.DONE)


def test_a_router_that_freezes_is_given_up(sshd: Sshd) -> None:
    """Nothing closes the connection; the signs of life end it, whatever the user's configuration says."""
    with replaced(sshd.config, sshd.config.read_text() + "Host *\n  ServerAliveCountMax 1000\n"):
        router = SshRouter("paris", sshd.access("paris"))
    container = sshd.lab.container(Role.ROUTER, "paris")
    with sshd.lab.engine.connect() as client:
        client.pause(container)
        started = time.monotonic()
        try:
            with pytest.raises(RouterUnreachable, match="the connection to paris broke") as caught:
                router.host.snapshot([])
            assert 10 < time.monotonic() - started < 30
            assert caught.value.hint
            with pytest.raises(RouterUnreachable, match="the connection to paris broke") as caught:
                router.vici.request("version")
            assert (caught.value.operation, caught.value.router) == ("version", "paris")
            router.close()
        finally:
            client.unpause(container)


@by_ssh
def test_no_process_on_the_router_is_ever_given_a_key(
    site: Site, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sshd hands every command to a witness first, and what the command starts is looked for over and over.
    This machine's ssh would send all its variables, one of which holds the key."""
    monkeypatch.setenv(PSK_VARIABLE, PSK)
    sshd.put("paris", WITNESS, WITNESS_SCRIPT)
    sshd.configure("paris", AcceptEnv="*", ForceCommand=f"sh {WITNESS}")
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
        with replaced(sshd.config, sshd.config.read_text() + "Host *\n  SendEnv *\n  RequestTTY force\n"):
            assert_converged(site.apply())
    finally:
        done.set()
        watcher.join()
        sshd.configure("paris")
    witnessed = sshd.lab.exec(Role.ROUTER, "paris", ["cat", f"{WITNESS}.log"]).stdout
    everything = b"".join([*seen, witnessed.encode()])
    assert b'cd "$FOLDER"' in everything, "commands of the apply are among them"
    assert b"SSH_CONNECTION=" in everything, "and their environment"
    for form in (PSK.encode(), base64.b64encode(PSK.encode()), PSK.encode().hex().encode()):
        assert form not in everything


@pytest.mark.usefixtures("site")
@by_ssh
def test_the_command_line_goes_by_ssh(sshd: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree, keys = tmp_path / "tree", tmp_path / "keys"
    tree.mkdir()
    keys.mkdir(mode=0o700)
    (keys / "psk").mkdir()
    ends = (("paris", "tokyo", 1, 2), ("tokyo", "paris", 2, 1))
    text = WAN + "".join(END.format(here=h, there=t, me=m, far=f) for h, t, m, f in ends)
    (tree / "fabric.yaml").write_text(text)
    (keys / "psk" / "pair.psk").touch(mode=0o600)
    (keys / "psk" / "pair.psk").write_text(PSK)
    arguments = [str(tree), "--secrets", str(keys)]
    assert main(["apply", *arguments, "--auto-approve"]) == ExitCode.OK
    assert main(["plan", *arguments, "--detailed-exitcode"]) == ExitCode.OK
    assert main(["verify", *arguments]) == ExitCode.OK
    assert "No changes." in capsys.readouterr().out
    # A lab's routers stand for those of the same names, however they would be reached.
    (tree / "fabric.yaml").write_text(text.replace("host: ", "port: 1, host: nowhere-"))
    assert main(["plan", *arguments]) == ExitCode.UNREACHABLE
    capsys.readouterr()
    assert main(["plan", *arguments, "--lab", sshd.lab.name, "--detailed-exitcode"]) == ExitCode.OK
    assert "No changes." in capsys.readouterr().out
    # The fixture's own controller has another fingerprint key: let it find a bare router.
    (tree / "fabric.yaml").write_text(text.replace("ike: {dhGroup: 14}", "enabled: false"))
    assert main(["apply", *arguments, "--auto-approve"]) == ExitCode.OK
