"""Which commit is rolled back: never for what a router invents, and never without a way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.apply import establish
from reconciler.model.errors import CommandRejected
from reconciler.model.events import Rollback, StepEnded
from reconciler.model.record import Result
from reconciler.model.router_config import InterfaceAddress
from reconciler.model.secret import Secret
from reconciler.secrets import SecretStore
from tests.allowed import ALLOWED
from tests.documents import SITE
from tests.memory import MemoryRouter
from tests.odd import fails
from tests.unit.service.followed import KEY, Followed, followed

ENDS = ("paris-tunnel.yaml", "tokyo-tunnel.yaml")
STRANGER = b"connections {\n    tw-paris-tokyo {\n    }\n}\n"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(establish, "OVERLAP", 0.0)


def both(site: Followed, old: str, new: str) -> str:
    site.edit(ENDS[0], old, new)
    return site.edit(ENDS[1], old, new)


def with_berlin(site: Followed) -> Followed:
    """A third router, which has no tunnel, invents one by the name of another router's."""
    addresses = [InterfaceAddress("eth0", "203.0.113.3/24"), InterfaceAddress("eth1", "10.3.0.1/24")]
    site.routers["berlin"] = MemoryRouter("berlin", site.network, addresses)
    site.commit({"berlin.yaml": SITE.format(here="berlin", me=3)})
    assert site.once().result is Result.CHANGED
    site.routers["berlin"].host.write_files({"tw-paris-tokyo.conf": Secret(STRANGER)})
    return site


def test_what_a_router_invents_and_keeps_takes_no_commit_back(tmp_path: Path) -> None:
    site = with_berlin(followed(tmp_path))
    site.twists["berlin"] = {"remove_files": fails(CommandRejected("read-only"))}
    head = both(site, "dh-group14", "dh-group15")
    record = site.once()
    assert record.result is Result.INCOMPLETE, record.message
    assert record.in_force == head
    assert "read-only" in record.message
    assert not record.of(Rollback)
    assert site.once().in_force == head, "the commit is not marked bad"


def test_what_a_router_invents_holds_back_no_tunnel_of_others(tmp_path: Path) -> None:
    site = with_berlin(followed(tmp_path))
    fleet = "apiVersion: tunnelwright/v1\nkind: FabricDefaults\nmetadata: {name: all}\n"
    site.commit({"fleet.yaml": f"{fleet}spec: {{reconcile: {{prune: false}}}}\n"})
    site.once()
    both(site, "dh-group14", "dh-group15")
    done = {item.step.router for item in site.once().of(StepEnded)}
    assert {"paris", "tokyo"} <= done


def test_a_commit_is_not_marked_bad_where_there_is_no_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of the good commit is gone: then the head stays in force, and goes on to be tried."""
    site = followed(tmp_path)
    good = site.once().head
    both(site, "{env: KEY}", "{env: NEXT}")
    head = both(site, "dh-group14", "dh-group15")
    have = {"NEXT": f"the next {KEY}", **ALLOWED}
    monkeypatch.setattr(Followed, "store", lambda self: SecretStore(self.folder / "secrets", have))
    refuses = fails(CommandRejected("no proposal chosen"))
    site.twists = {"paris": {"initiate": refuses}, "tokyo": {"initiate": refuses}}
    record = site.once()
    assert (record.result, record.in_force) == (Result.INCOMPLETE, head)
    assert f"cannot roll back to {good[:12]}" in record.message
    site.twists = {}
    record = site.once()
    assert (record.in_force, site.service().dependencies.history.good()) == (head, head), record.message
