"""The history's file is damaged: it is set aside, under a service with routers in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.history.file import HistoryDamaged, HistoryUnusable
from reconciler.history.kept import Kept
from reconciler.history.store import History
from reconciler.history.tables import FORMAT
from reconciler.model import bounds
from reconciler.model.errors import ExitCode
from reconciler.model.events import Trouble
from reconciler.model.record import Result
from reconciler.service.metrics import Metrics
from tests.unit.history.stored import RUN, Damage, aside, changed, garbage, history_of
from tests.unit.service.followed import followed


def cut(size: Callable[[int], int]) -> Damage:
    """Only its beginning is left."""

    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: size(len(content))])

    return damage


DAMAGES = {
    "garbage": garbage,
    "truncated": cut(lambda size: size // 2 + 100),
    "emptied": cut(lambda _: 0),
    "of a newer version": changed(f"PRAGMA user_version = {FORMAT + 1}"),
    "other tables": changed("DROP TABLE runs", "CREATE TABLE runs (other TEXT)"),
    "nonsense inside": changed("UPDATE runs SET objects = '[' , result = 'odd', started = 'never'"),
    "not text": changed("UPDATE runs SET message = CAST(x'fffe80' AS TEXT)"),
    "other values": changed("INSERT INTO counts VALUES ('runs', 'other', 'many')"),
    "no time": changed("INSERT INTO accepted VALUES ('a', 'never', 'x', '', 1)"),
}


UNREAD = {"emptied", "other values", "no time"}
"""What these commands read nothing of, or nothing wrong in."""


@pytest.mark.parametrize("name", [name for name in DAMAGES if name != "of a newer version"])
def test_a_service_goes_on_when_its_history_is_damaged_under_it(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = followed(tmp_path)
    service = site.service()
    metrics = Metrics(service.dependencies.history)
    good = service.once().head
    DAMAGES[name](history_of(site))
    bad = site.edit("paris-tunnel.yaml", "203.0.113.12", "203.0.113.999")
    record = service.once()
    # What decisions need was in memory: the last good commit is in force, as if nothing had happened.
    assert (record.head, record.in_force, record.result) == (bad, good, Result.INCOMPLETE), record.message
    assert "is not valid" in record.message
    later = service.once()
    said = [trouble.reason for run in (record, later) for trouble in run.of(Trouble)]
    [moved] = aside(site)
    assert any(f"set aside as {moved}, and a new one was created" in reason for reason in said)
    assert f"set aside as {moved}" in caplog.text
    assert b"tunnelwright_history_set_aside_total 1.0" in metrics.expose("")[1]
    assert b"tunnelwright_history_written 1.0" in metrics.expose("")[1]
    # The new file has what the next process needs, and the runs that are known.
    again = site.service().dependencies.history
    assert (again.good(), again.reached()) == (good, service.dependencies.history.reached())
    assert [run.id for run in again.runs(10)] == sorted((run.id for run in again.runs(10)), reverse=True)
    assert again.runs(10)[-1].result is Result.CHANGED
    assert again.counts() == service.dependencies.history.counts()


@pytest.mark.parametrize("name", DAMAGES)
def test_a_service_begins_with_a_history_that_is_damaged(name: str, tmp_path: Path) -> None:
    site = followed(tmp_path)
    site.once()
    DAMAGES[name](history_of(site))
    record = site.once()
    assert record.result is Result.IN_SYNC
    assert site.service().dependencies.history.good() == record.head
    if name != "emptied":  # which is as good as a new one
        assert len(aside(site)) == 1
        assert "set aside" in record.message


@pytest.mark.parametrize("name", [name for name in DAMAGES if name not in UNREAD])
@pytest.mark.parametrize("words", [["history"], ["show", "1"], ["history", "--forgive", "abc"]])
def test_a_damaged_history_is_one_sentence_for_who_asks(
    name: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = followed(tmp_path)
    site.once()
    DAMAGES[name](history_of(site))
    monkeypatch.setenv("TUNNELWRIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TUNNELWRIGHT_REPOSITORY", str(tmp_path / "remote"))
    code = main(words)
    said = capsys.readouterr().err
    assert code == ExitCode.ERROR
    assert said.startswith("error: "), said
    assert said.count("\n") <= 2
    assert history_of(site).exists(), "who asks changes nothing"


def test_only_the_latest_damaged_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for _ in range(bounds.SET_ASIDE + 3):
        garbage(path)
        history = Kept(path)
        assert history.is_written
    assert len(list(tmp_path.glob("history.damaged-*.db"))) == bounds.SET_ASIDE


def test_errors_of_a_file_are_distinguished_from_those_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(HistoryUnusable) as raised:
        History(tmp_path / "folder")
    assert not isinstance(raised.value, HistoryDamaged)
    garbage(tmp_path / "history.db")
    with pytest.raises(HistoryDamaged, match="file is not a database"):
        History(tmp_path / "history.db")


@pytest.mark.parametrize(
    "change",
    [
        "finished = 'never'",
        "finished = '0001-01-01T00:00+14:00'",
        "trigger = x'ff'",
        "repeats = 'x'",
        f"id = {2**63 - 1}",
    ],
)
def test_an_older_row_that_cannot_be_read_is_damage(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the latest runs are read when the file is opened."""
    monkeypatch.setattr(bounds, "RUNS_IN_MEMORY", 1)
    path = tmp_path / "history.db"
    for result in (Result.CHANGED, Result.FAILED):
        History(path).add(replace(RUN, result=result))
    changed(f"UPDATE runs SET {change} WHERE id = 1")(path)  # noqa: S608 - the words above
    with pytest.raises(HistoryDamaged):
        History(path).runs(9)
    if change.startswith("finished"):
        history = Kept(path)
        assert history.last([Result.CHANGED]) is None
        assert history.set_aside == 1
        assert history.is_written
