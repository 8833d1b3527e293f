"""Runs whose changes have to be confirmed, over a real repository and routers in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.apply.way_back import confirm
from reconciler.model.errors import RouterUnreachable
from reconciler.model.events import Rollback, StepEnded, ToConfirm
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Phase
from reconciler.model.record import Result
from reconciler.model.way_back import Armed, Arming, Cause, Saved, WayBack, WentBack
from reconciler.service.loop import Service
from tests.documents import SITE, WAN, document
from tests.unit.service.followed import KEYED, VIP, Followed, followed

OTHER = ("{pfs: dh-group14}", "{encryption: aes-128}")
FIVE_MINUTES = 300


class Killed(BaseException):
    """The end of the controller in the middle of an apply."""


def killed(outcome: Outcome) -> None:
    """Once the first tunnel is switched."""
    if outcome.step.phase is Phase.SWITCH:
        raise Killed


def unmanaged(folder: Path) -> Followed:
    """A tunnel that is up, whose peer is not ours."""
    site = followed(folder, managed=("paris",))
    site.apply_foreign(WAN, document(SITE, "tokyo"), document(KEYED, "tokyo"))
    assert site.once().result is Result.CHANGED
    return site


def armed(site: Followed) -> list[str]:
    return [name for name, router in site.routers.items() if router.host.way_back.armed is not None]


def edit_both(site: Followed) -> str:
    site.edit("paris-tunnel.yaml", *OTHER)
    return site.edit("tokyo-tunnel.yaml", *OTHER)


def test_a_proven_change_is_confirmed_and_reported(tmp_path: Path) -> None:
    site = followed(tmp_path)
    fresh: list[str] = []
    record = site.once(confirm=FIVE_MINUTES, anew=lambda: fresh.append("anew"))
    assert record.result is Result.CHANGED, record.message
    [planned] = record.of(ToConfirm)
    assert planned.seconds == FIVE_MINUTES
    phases = [(step.router, step.phase) for step in planned.steps]
    assert phases == [(name, phase) for phase in (Phase.ARM, Phase.CONFIRM) for name in ("paris", "tokyo")]
    ended = [event.step.phase for event in record.of(StepEnded)]
    assert (ended[:2], ended[-2:]) == ([Phase.ARM] * 2, [Phase.CONFIRM] * 2)
    assert fresh
    assert not armed(site)
    assert site.once(confirm=FIVE_MINUTES).result is Result.IN_SYNC


def test_what_does_not_prove_good_goes_back_and_is_not_applied_again(tmp_path: Path) -> None:
    site = unmanaged(tmp_path)
    good = site.once().in_force
    files = dict(site.routers["paris"].host.files)
    bad = site.edit("paris-tunnel.yaml", *OTHER)
    record = site.once(confirm=FIVE_MINUTES)
    assert record.result is Result.ROLLED_BACK, record.message
    assert "not confirmed: paris: bring up second CHILD_SAs of tw-paris-tokyo" in record.message
    assert [(event.commit, event.to) for event in record.of(Rollback)] == [(bad, good)]
    assert site.routers["paris"].host.files == files
    assert not armed(site)
    later = site.once(confirm=FIVE_MINUTES)
    assert (later.head, later.in_force) == (bad, good)
    assert not later.of(StepEnded)


def test_after_a_crash_the_routers_go_back_and_the_commit_is_applied_again(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    files = {name: dict(router.host.files) for name, router in site.routers.items()}
    head = edit_both(site)
    with pytest.raises(Killed):
        site.once(confirm=FIVE_MINUTES, progress=killed)
    assert armed(site) == ["paris", "tokyo"]

    waiting = site.once(confirm=FIVE_MINUTES)
    assert waiting.result is Result.INCOMPLETE
    assert [event.router for event in waiting.of(Armed)] == ["paris", "tokyo"]
    assert "is not confirmed yet (it goes back in 300 s" in waiting.message
    assert not waiting.of(StepEnded)

    for router in site.routers.values():
        router.host.restore(Cause.DEADLINE)
    assert {name: dict(router.host.files) for name, router in site.routers.items()} == files
    record = site.once(confirm=FIVE_MINUTES)
    assert [event.cause for event in record.of(WentBack)] == [Cause.DEADLINE] * 2
    assert f"the controller was ended while it applied commit {head[:12]}" in record.message
    assert (record.in_force, record.result, record.of(Rollback)) == (head, Result.CHANGED, [])


def test_a_commit_during_which_the_controller_ends_each_time_is_bad(tmp_path: Path) -> None:
    site = followed(tmp_path)
    good = site.once().in_force
    files = {name: dict(router.host.files) for name, router in site.routers.items()}
    bad = edit_both(site)
    for _ in range(2):
        with pytest.raises(Killed):
            site.once(confirm=FIVE_MINUTES, progress=killed)
        for router in site.routers.values():
            router.host.restore(Cause.DEADLINE)
    record = site.once(confirm=FIVE_MINUTES)
    assert [(event.commit, event.to) for event in record.of(Rollback)] == [(bad, good)]
    assert (record.head, record.in_force, record.result) == (bad, good, Result.INCOMPLETE)
    assert {name: dict(router.host.files) for name, router in site.routers.items()} == files

    again = site.once(confirm=FIVE_MINUTES)
    assert (again.in_force, again.of(WentBack)) == (good, []), "it is reported once"
    service = site.service(confirm=FIVE_MINUTES)
    service.dependencies.history.forgive(bad[:12])
    assert (service.once().result, site.once().in_force) == (Result.CHANGED, bad)


@pytest.mark.parametrize("renewed", [False, True])
def test_a_repair_that_is_not_confirmed_does_not_make_the_good_state_bad(
    tmp_path: Path, renewed: bool
) -> None:
    """Not by another commit either that says the same: it would take the good one along."""
    site = followed(tmp_path)
    head = site.once().in_force
    host = site.routers["paris"].host
    host.table = None
    if renewed:
        head = site.commit({})

    def end(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.GUARD:
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            site.once(confirm=FIVE_MINUTES, progress=end)
        host.restore(Cause.RESTART)
    assert host.table is None
    record = site.once(confirm=FIVE_MINUTES)
    assert (record.in_force, record.result) == (head, Result.CHANGED), record.message
    assert host.table is not None


def test_routers_that_were_confirmed_for_all_we_know_blame_their_commit_once_they_go_back(
    tmp_path: Path,
) -> None:
    """No answer to the confirmation comes through what the commit has cut."""
    site = followed(tmp_path)
    good = site.once().in_force
    bad = edit_both(site)
    with pytest.MonkeyPatch.context() as patch:
        # It is not asked for as long as there is time.
        once = lambda steps, arming, fleet, _: confirm(steps, arming, fleet, 0)  # noqa: E731
        patch.setattr("reconciler.operations.confirm.confirm", once)
        for router in site.routers.values():
            patch.setattr(router.host, "confirm", silent)
        assert site.once(confirm=FIVE_MINUTES).result is Result.INCOMPLETE
    for router in site.routers.values():
        router.host.restore(Cause.DEADLINE)
    record = site.once(confirm=FIVE_MINUTES)
    assert [(event.commit, event.to) for event in record.of(Rollback)] == [(bad, good)]


def test_a_router_without_space_is_not_changed_nor_is_any_other(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    before = {name: dict(router.host.files) for name, router in site.routers.items()}
    head = edit_both(site)
    site.routers["tokyo"].host.full = True
    record = site.once(confirm=FIVE_MINUTES)
    assert record.result is Result.INCOMPLETE
    assert "not confirmed: tokyo: No space left on device" in record.message
    assert {name: dict(router.host.files) for name, router in site.routers.items()} == before
    assert not armed(site)
    site.routers["tokyo"].host.full = False
    later = site.once(confirm=FIVE_MINUTES)
    assert (later.in_force, later.result) == (head, Result.CHANGED), "that was no fault of the commit"


def test_a_new_tunnel_whose_peer_is_not_ready_stays(tmp_path: Path) -> None:
    site = followed(tmp_path, managed=("paris",))
    record = site.once(confirm=FIVE_MINUTES)
    assert (record.result, record.of(Rollback)) == (Result.INCOMPLETE, [])
    assert not armed(site)
    assert site.once(confirm=FIVE_MINUTES).message == "1 tunnel is configured but down: paris-tokyo"


def test_a_run_that_is_asked_to_stop_leaves_no_router_armed(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    head = edit_both(site)
    running: list[Service] = []
    service = site.service(confirm=FIVE_MINUTES, progress=lambda _: running[0].stop())
    running.append(service)
    record = service.once()
    assert record.result is Result.STOPPED, record.message
    assert not armed(site)
    assert VIP in site.routers["paris"].host.addresses
    later = site.once(confirm=FIVE_MINUTES)
    assert (later.in_force, later.result) == (head, Result.CHANGED), "a stop is no fault of the commit"


def test_a_run_that_is_stopped_in_its_first_phases_makes_no_commit_bad(tmp_path: Path) -> None:
    """Then its routers do go back, and report it."""
    site = followed(tmp_path)
    running: list[Service] = []

    def stop(outcome: Outcome) -> None:
        if outcome.step.phase is Phase.HOST:
            running[0].stop()

    service = site.service(confirm=FIVE_MINUTES, progress=stop)
    running.append(service)
    assert service.once().result is Result.STOPPED
    assert {router.host.way_back.back is not None for router in site.routers.values()} == {True}
    later = site.once(confirm=FIVE_MINUTES)
    assert [event.cause for event in later.of(WentBack)] == [Cause.UNPROVEN] * 2
    assert later.result is Result.CHANGED


def test_a_router_that_stays_armed_where_another_one_could_not_be_makes_no_commit_bad(tmp_path: Path) -> None:
    """Nothing was changed, and it goes back from nothing."""
    site = followed(tmp_path)
    site.once()
    head = edit_both(site)
    site.routers["tokyo"].host.full = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.routers["paris"].host, "confirm", silent)
        assert site.once(confirm=FIVE_MINUTES).result is Result.INCOMPLETE
    assert armed(site) == ["paris"]
    site.routers["paris"].host.restore(Cause.DEADLINE)
    site.routers["tokyo"].host.full = False
    later = site.once(confirm=FIVE_MINUTES)
    assert [event.cause for event in later.of(WentBack)] == [Cause.DEADLINE]
    assert (later.in_force, later.result) == (head, Result.CHANGED)


def silent(_: str) -> None:
    raise RouterUnreachable("no route", router="paris")


def test_a_run_says_what_its_routers_could_not_restore(tmp_path: Path) -> None:
    site = unmanaged(tmp_path)
    site.edit("paris-tunnel.yaml", *OTHER)
    site.routers["paris"].host.unrestored = ("VIPs: no such device",)
    record = site.once(confirm=FIVE_MINUTES)
    assert record.result is Result.INCOMPLETE
    assert "not restored: paris: VIPs: no such device" in record.message
    assert "every router went back" not in record.message


def test_what_a_router_invents_makes_no_commit_bad(tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    head = edit_both(site)
    service = site.service(confirm=FIVE_MINUTES)
    service.dependencies.repository.fetch(lambda: False)
    digest = service.dependencies.repository.load(head).digest
    invented = Arming("0123456789abcdef", "me@here", digest, head, 300)
    back = WentBack("paris", invented, Cause.DEADLINE, datetime.now(UTC))
    site.routers["paris"].host.way_back = WayBack(back=back)
    record = service.once()
    assert record.of(WentBack) == [back]
    assert (record.in_force, record.result) == (head, Result.CHANGED)
    assert not service.dependencies.history.why_bad(digest)


def test_a_router_that_repeats_a_confirmed_arming_makes_no_commit_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = followed(tmp_path)
    site.once()
    head = edit_both(site)
    armed: list[Arming] = []
    host = site.routers["paris"].host
    arm = host.arm

    def noted(arming: Arming, saved: Saved) -> None:
        armed.append(arming)
        arm(arming, saved)

    monkeypatch.setattr(host, "arm", noted)
    assert site.once(confirm=FIVE_MINUTES).result is Result.CHANGED
    [arming] = armed
    assert (arming.commit, host.way_back) == (head, WayBack())
    # Another commit without a change of documents counts by now: the digest of both is the same.
    site.repository.git.commit("--allow-empty", "--message", "nothing")
    assert site.once(confirm=FIVE_MINUTES).result is Result.IN_SYNC
    host.way_back = WayBack(back=WentBack("paris", arming, Cause.DEADLINE, datetime.now(UTC)))
    record = site.once(confirm=FIVE_MINUTES)
    assert record.result is Result.IN_SYNC
    assert record.head == record.in_force
