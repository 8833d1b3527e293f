"""The content of the history: runs, counts, good and bad commits, each router's commit, sent
notifications."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any

from reconciler.history import tunnel_events
from reconciler.history.database import Database, reads, writes
from reconciler.history.file import HistoryDamaged
from reconciler.history.rows import (
    acceptance_of,
    checked,
    outline_of,
    parsed,
    record_of,
    run_values,
    same,
    time_of,
)
from reconciler.history.tables import (
    ACCEPTED,
    ARMINGS,
    BAD,
    CARRIAGES,
    COUNTS,
    LAST_CHANGES,
    PLACES,
    RUNS,
    SENT,
    TABLES,
    TUNNEL_EVENTS,
)
from reconciler.model import bounds
from reconciler.model.condition import Carriage, LastChange
from reconciler.model.errors import TunnelwrightError
from reconciler.model.events import PlannedChange
from reconciler.model.notification import Sent, Unreadable
from reconciler.model.record import Acceptance, Result, RunRecord
from reconciler.model.tunnel_event import TunnelEvent
from reconciler.model.visible import encodable
from reconciler.model.way_back import Arming, Blame, Recorded
from reconciler.report.json.carriage import carriage_object, read_carriage
from reconciler.report.json.sent import read_sent, sent_object

Contents = dict[str, list[dict[str, Any]]]
"""The rows of each table."""

_FABRIC = ""
"""In place of a router: the whole."""
_LATEST = f"{RUNS.select} ORDER BY runs.id DESC LIMIT ?"


_OUTLINES = (
    RUNS.select.replace('runs."objects"', "'[]' AS objects")
    + " WHERE substr(runs.head, 1, length(?1)) = ?1 ORDER BY runs.id DESC LIMIT ?2"
)
"""Their events are most of the file."""


class History(Database):
    """What the service remembers: runs, counts, commits, notifications, events of tunnels. Every method
    raises HistoryUnusable, or HistoryDamaged, when the file cannot be used.
    """

    @reads
    def contents(self, connection: Connection) -> Contents:
        """All of it, but of the runs and of the tunnel events only the latest, as far as they are
        to be kept in memory."""
        found: Contents = {
            table.name: [checked(table, row) for row in connection.execute(table.select)]
            for table in TABLES
            if table not in (RUNS, TUNNEL_EVENTS)
        }
        found[TUNNEL_EVENTS.name] = [checked(TUNNEL_EVENTS, row) for row in tunnel_events.latest(connection)]
        room = bounds.RECORDS_IN_MEMORY
        runs: list[dict[str, Any]] = []
        for row in connection.execute(_LATEST, [bounds.RUNS_IN_MEMORY]):
            values = checked(RUNS, row)
            parsed(row)
            room -= len(values["objects"])
            if room < 0:
                break
            runs.append(values)
        return {**found, RUNS.name: runs[::-1]}

    @writes
    def pour(self, connection: Connection, contents: Contents) -> None:
        """Put rows here, in place of those with the same keys."""
        for table in TABLES:
            connection.executemany(table.put, contents.get(table.name, []))

    @writes
    def replace_with(self, connection: Connection, contents: Contents) -> None:
        """Let the tables that are named hold these rows and no others."""
        for table in TABLES:
            if table.name in contents:
                connection.execute(table.clear)
                connection.executemany(table.put, contents[table.name])

    @writes
    def add(self, connection: Connection, record: RunRecord) -> int:
        """Keep a run; its number. One that found nothing to do counts as a repeat of such a one before."""
        last = connection.execute(_LATEST, [1]).fetchone()
        values = run_values(record)
        if last is not None and same(last, values):
            connection.execute(
                "UPDATE runs SET finished = ?, repeats = repeats + 1 WHERE id = ?",
                [record.finished.isoformat(), last["id"]],
            )
            return int(last["id"])
        newest = connection.execute(RUNS.put, values).lastrowid or 0
        connection.execute("DELETE FROM runs WHERE id <= ?", [newest - bounds.RUNS_KEPT])
        return newest

    @reads
    def runs(self, connection: Connection, limit: int) -> list[RunRecord]:
        """The latest runs, newest first."""
        # No more are kept, and no other number has to fit into SQLite's.
        most = min(limit, bounds.RUNS_KEPT)
        return [record_of(row) for row in connection.execute(_LATEST, [most])]

    @reads
    def outlines(self, connection: Connection, limit: int, commit: str = "") -> list[RunRecord]:
        """The latest runs without their events, newest first; those of one commit, if the beginning of its
        hash is given."""
        return [
            outline_of(row) for row in connection.execute(_OUTLINES, [commit, min(limit, bounds.RUNS_KEPT)])
        ]

    @reads
    def run(self, connection: Connection, number: int) -> RunRecord:
        """One run. Raises TunnelwrightError for a number that none has."""
        last = connection.execute("SELECT max(runs.id) FROM runs").fetchone()[0] or 0
        # No other number has to fit into SQLite's.
        known = number if 0 < number <= last else 0
        row = connection.execute(f"{RUNS.select} WHERE runs.id = ?", [known]).fetchone()
        if row is None:
            raise TunnelwrightError(f"there is no run {number}", hint=f"the latest is {last or 'none'}")
        return record_of(row)

    @reads
    def last(self, connection: Connection, results: Iterable[Result]) -> datetime | None:
        """When a run last ended in one of these ways."""
        # The latest is the one with the highest number: clocks are set back.
        found = connection.execute(
            "SELECT runs.finished FROM runs WHERE runs.result IN (SELECT value FROM json_each(?)) "
            "ORDER BY runs.id DESC LIMIT 1",
            [json.dumps([result.value for result in results])],
        ).fetchone()
        return None if found is None else time_of(found[0], "the end of a run")

    @writes
    def count(self, connection: Connection, amounts: Mapping[tuple[str, str], float]) -> None:
        """Add to what is counted, by name and label."""
        connection.executemany(
            "INSERT INTO counts (name, label, value) VALUES (?, ?, ?) "
            "ON CONFLICT (name, label) DO UPDATE SET value = value + excluded.value",
            [(name, label, amount) for (name, label), amount in amounts.items()],
        )

    @reads
    def counts(self, connection: Connection) -> dict[tuple[str, str], float]:
        """What was counted since the file was made."""
        return {(row["name"], row["label"]): row["value"] for row in connection.execute(COUNTS.select)}

    @writes
    def add_tunnel_events(self, connection: Connection, events: Sequence[TunnelEvent]) -> None:
        """Keep tunnel events: the latest of each, and of all."""
        tunnel_events.keep(connection, events)

    @reads
    def tunnel_events(self, connection: Connection, tunnel: str, limit: int) -> list[TunnelEvent]:
        """The events of one tunnel, the latest first. What another version has written is left out."""
        return tunnel_events.of_tunnel(connection, tunnel, limit)

    @writes
    def carry(self, connection: Connection, known: Iterable[Carriage]) -> None:
        """Keep what probes have shown last, in place of what they had shown before."""
        rows = [{"connection": one.connection, "object": json.dumps(carriage_object(one))} for one in known]
        connection.executemany(CARRIAGES.put, rows)

    @reads
    def carriages(self, connection: Connection) -> dict[str, Carriage]:
        """What probes have shown last, by connection. What another version has written is left out."""
        found = (read_carriage(str(row["object"])) for row in connection.execute(CARRIAGES.select))
        return {one.connection: one for one in found if one is not None}

    @writes
    def keep_last_changes(self, connection: Connection, changes: Mapping[str, LastChange]) -> None:
        """A run has changed these connections."""
        rows = [
            {
                "connection": name,
                "at": change.at.astimezone(UTC).isoformat(),
                "commit": change.commit,
                "author": encodable(change.author),
            }
            for name, change in changes.items()
        ]
        connection.executemany(LAST_CHANGES.put, rows)

    @reads
    def last_changes(self, connection: Connection) -> dict[str, LastChange]:
        """The last change of each connection. One whose time cannot be read is left out."""
        found = {}
        for row in connection.execute(LAST_CHANGES.select):
            with suppress(HistoryDamaged):
                at = time_of(row["at"], "a last change")
                found[str(row["connection"])] = LastChange(at, str(row["commit"]), str(row["author"]))
        return found

    @writes
    def keep_connections(self, connection: Connection, names: Iterable[str]) -> None:
        """Forget what is known of all others."""
        kept = json.dumps(list(names))
        for table in (CARRIAGES, LAST_CHANGES):
            connection.execute(
                f'DELETE FROM "{table.name}" WHERE connection NOT IN (SELECT value FROM json_each(?))',  # noqa: S608 - names of tables
                [kept],
            )

    @reads
    def runs_about(self, connection: Connection, tunnel: str, limit: int) -> list[RunRecord]:
        """Runs whose events name a tunnel's changes, the latest first."""
        found: list[RunRecord] = []
        naming = f"{RUNS.select} WHERE instr(runs.objects, ?) > 0 ORDER BY runs.id DESC"
        for row in connection.execute(naming, [json.dumps(tunnel)]):
            if len(found) == max(0, limit):
                break
            record = record_of(row)
            if any(
                isinstance(event, PlannedChange) and event.resource.name == tunnel for event in record.events
            ):
                found.append(record)
        return found

    @reads
    def runs_after(self, connection: Connection, number: int, limit: int) -> list[RunRecord]:
        """Runs with higher numbers, oldest first; of more than `limit` the newest."""
        later = f"{RUNS.select} WHERE runs.id > ? ORDER BY runs.id DESC LIMIT ?"
        return [record_of(row) for row in connection.execute(later, [number, limit])][::-1]

    @reads
    def sent(self, connection: Connection, receiver: str) -> Sent | Unreadable | None:
        """What a receiver was sent last; None for nothing."""
        row = connection.execute(f"{SENT.select} WHERE sent.receiver = ?", [receiver]).fetchone()
        return None if row is None else read_sent(row["what"])

    @writes
    def set_sent(self, connection: Connection, receiver: str, sent: Sent) -> None:
        """A receiver was sent this."""
        connection.execute(SENT.put, {"receiver": receiver, "what": json.dumps(sent_object(sent))})

    def good(self) -> str:
        """The last commit that was applied and proven; empty for none."""
        return self.reached().get(_FABRIC, "")

    def set_good(self, commit: str) -> None:
        """This commit was applied and proven."""
        self.set_reached([_FABRIC], commit)

    @reads
    def reached(self, connection: Connection) -> dict[str, str]:
        """Router -> the commit that it was brought to last."""
        return {row["router"]: row["commit"] for row in connection.execute(PLACES.select)}

    @writes
    def set_reached(self, connection: Connection, routers: Iterable[str], commit: str) -> None:
        """These routers are as this commit says."""
        connection.executemany(PLACES.put, [{"router": router, "commit": commit} for router in routers])

    @reads
    def why_bad(self, connection: Connection, digest: str) -> str:
        """Why the desired state with this digest was rolled back; empty when it was not."""
        row = connection.execute(f"{BAD.select} WHERE bad.digest = ?", [digest]).fetchone()
        return "" if row is None else str(row["reason"])

    @writes
    def mark_bad(self, connection: Connection, digest: str, commit: str, reason: str) -> None:
        """The desired state with this digest did not prove good; a commit that changes it has another."""
        connection.execute(
            'INSERT INTO bad (digest, "commit", reason) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
            [digest, commit, encodable(reason)],
        )

    @writes
    def forgive(self, connection: Connection, commit: str) -> None:
        """Try a bad commit again, named by the beginning of its hash. Raises TunnelwrightError when it is not
        marked."""
        found = connection.execute(
            'DELETE FROM bad WHERE lower(substr(bad."commit", 1, length(:it))) = lower(:it)',
            {"it": encodable(commit)},
        )
        if not commit or found.rowcount == 0:
            raise TunnelwrightError(f"no commit {commit!r} is marked as bad")

    @writes
    def open_arming(self, connection: Connection, arming: Arming) -> None:
        """Routers are about to be armed. Only the latest armings are kept."""
        newest = connection.execute("SELECT max(armings.number) FROM armings").fetchone()[0] or 0
        row = {"arming": arming.id, "digest": arming.digest, "commit": arming.commit}
        connection.execute(ARMINGS.put, {**row, "blame": Blame.OPEN.value, "number": newest + 1})
        connection.execute("DELETE FROM armings WHERE armings.number <= ?", [newest + 1 - bounds.ARMINGS])

    @writes
    def close_arming(self, connection: Connection, arming: str, blame: Blame) -> None:
        """The run of an arming has ended: what it comes to when routers go back from it. All others of the
        same desired state are over."""
        connection.execute(
            "UPDATE armings SET blame = CASE armings.arming WHEN :arming THEN :blame ELSE :over END "
            "WHERE armings.digest IN (SELECT armings.digest FROM armings WHERE armings.arming = :arming)",
            {"arming": arming, "blame": blame.value, "over": Blame.NONE.value},
        )

    @reads
    def arming(self, connection: Connection, arming: str) -> Recorded | None:
        """What is known of an arming; None of one that no run of this history has made."""
        row = connection.execute(f"{ARMINGS.select} WHERE armings.arming = ?", [arming]).fetchone()
        if row is None or row["blame"] not in set(Blame):
            return None
        left = connection.execute(
            "SELECT count(*) FROM armings WHERE armings.digest = ? AND armings.blame = ?",
            [row["digest"], Blame.OPEN.value],
        )
        return Recorded(str(row["digest"]), str(row["commit"]), Blame(row["blame"]), int(left.fetchone()[0]))

    @reads
    def accepted(self, connection: Connection) -> list[Acceptance]:
        """Commits that counted or that an operator has accepted, the latest first."""
        rows = connection.execute(f"{ACCEPTED.select} ORDER BY accepted.number DESC")
        return [acceptance_of(row) for row in rows]

    @writes
    def accept(self, connection: Connection, acceptance: Acceptance) -> None:
        """Remember who has accepted a commit, as the latest one; what was said of it before is replaced."""
        newest = connection.execute("SELECT max(accepted.number) FROM accepted").fetchone()[0] or 0
        at = acceptance.at.astimezone(UTC).isoformat()
        connection.execute(ACCEPTED.put, asdict(acceptance) | {"at": at, "number": newest + 1})
        connection.execute(
            'DELETE FROM accepted WHERE accepted."commit" NOT IN '
            '(SELECT accepted."commit" FROM accepted ORDER BY accepted.number DESC LIMIT ?)',
            [bounds.ACCEPTED_COMMITS],
        )
