"""`vip release` removes a VIP that a deleted tunnel has left, and no other one."""

from __future__ import annotations

import pytest

from reconciler.model.errors import ExitCode
from reconciler.model.router_config import InterfaceAddress
from tests.unit.cli.stage import ENDS, Stage

LEFT = InterfaceAddress("eth0", "203.0.113.11/24")


def release(stage: Stage, address: str, *words: str) -> tuple[int, str]:
    return stage.main("vip", "release", address, str(stage.site.tree), *words)


def there(stage: Stage, router: str = "paris") -> bool:
    return LEFT in stage.site.routers[router].host.addresses


def test_an_unused_vip_is_listed_and_released(stage: Stage) -> None:
    stage.site.commit(dict.fromkeys(ENDS))
    assert stage.apply("--override", "deletions")[0] == ExitCode.OK
    assert there(stage)
    line = "203.0.113.11/24 on eth0 of paris, left by IPsecTunnel/paris-tokyo"
    for command in ("plan", "status"):
        code, shown = stage.run(command)
        assert code == ExitCode.OK
        assert line in shown
    code, shown = release(stage, "203.0.113.11", "--auto-approve")
    assert code == ExitCode.OK
    assert "Apply complete! Resources: 0 added, 0 changed, 1 destroyed." in shown
    assert not there(stage)
    assert stage.site.routers["paris"].host.record == {}
    assert line not in stage.run("status")[1]
    assert "203.0.113.12" in stage.run("plan")[1], "the other one stays"


def test_a_release_asks_for_approval(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.site.commit(dict.fromkeys(ENDS))
    stage.apply("--override", "deletions")
    monkeypatch.setattr("builtins.input", lambda *_: "no")
    code, shown = release(stage, "203.0.113.11")
    assert (code, "the plan was not approved" in shown) == (ExitCode.ERROR, True)
    assert there(stage)


def test_a_vip_that_git_asks_for_is_not_released(stage: Stage) -> None:
    code, shown = release(stage, "203.0.113.11", "--auto-approve")
    assert code == ExitCode.ERROR
    assert "the VIP 203.0.113.11 is in use: IPsecTunnel/paris-tokyo asks for it" in shown
    assert there(stage)


def test_an_address_that_tunnelwright_did_not_add_is_not_released(stage: Stage) -> None:
    for address in ("203.0.113.1", "203.0.113.99", "nonsense"):
        code, shown = release(stage, address, "--auto-approve")
        assert code == ExitCode.ERROR
        assert f"no router has an unused VIP {address} that tunnelwright added" in shown
