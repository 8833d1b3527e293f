"""Who may have changed a router: what it reports of the time since the last observation. Nothing is
concluded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from reconciler.model.bounds import TRACE_CHARACTERS, TRACES
from reconciler.model.listing import counted
from reconciler.model.trace import Trace
from reconciler.model.visible import visible

MARK = "--tunnelwright--"
_CLOCK = re.compile(r"[0-9]{1,10}")
"""Seconds since 1970, to the year 2286."""
_FILE = re.compile(r"(?P<at>[0-9]{1,10})(?:\.[0-9]{1,12})? (?P<user>\S+) (?P<name>.+)")
_PROCESS = re.compile(r"\s*(?P<age>[0-9]{1,10}) (?P<name>\S+)")
_JOURNAL = re.compile(
    r"(?P<at>[0-9]{1,10})(?:\.[0-9]{1,12})? \S+ (?P<by>sshd|sshd-session|sudo)(?:\[\d+\])?: (?P<text>.*)"
)
# sshd(8): "Accepted publickey for root from 192.0.2.7 port 50512 ssh2: ED25519 SHA256:…"
_LOGIN = re.compile(
    r"Accepted \S+ for (?P<user>\S+) from (?P<address>\S+) port \d+(?: ssh2)?(?:: \S+ (?P<key>SHA256:\S+))?"
)
# sudoers(5), "EVENT LOGGING": "ann : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/usr/sbin/nft flush ruleset"
_SUDO = re.compile(r"\s*(?P<user>\S+) : .*?COMMAND=(?P<program>\S+).*")


def read(said: str, seconds: int) -> tuple[Trace, ...]:
    """What a router reported of the last so many seconds, the latest ten in the order in which they happened.

    Its sections, divided by MARK: the time and the controller's own address; swanctl files; ages of charon
    and of the router; lines of the journal. What has another form is passed over.
    """
    parts = [part.strip("\n") for part in said.split(f"{MARK}\n")]
    if len(parts) != 4 or not (first := parts[0].split()) or not _CLOCK.fullmatch(first[0]):
        return ()
    now, own = int(first[0]), first[1] if len(first) > 1 else ""
    found = [*_files(parts[1]), *_starts(parts[2], now), *_journal(parts[3], own)]
    return tuple(
        Trace(datetime.fromtimestamp(at, UTC), visible(text)[:TRACE_CHARACTERS])
        for at, text in sorted(item for item in found if now - seconds <= item[0] <= now)[-TRACES:]
    )


def _files(text: str) -> Iterator[tuple[int, str]]:
    for line in text.splitlines():
        if match := _FILE.fullmatch(line):
            yield int(match["at"]), f"{match['name']} was written as {match['user']}"


def _starts(text: str, now: int) -> Iterator[tuple[int, str]]:
    for line in text.splitlines():
        if match := _PROCESS.fullmatch(line):
            what = "the router" if match["name"] == "uptime" else match["name"]
            yield now - int(match["age"]), f"{what} was started"


def _journal(text: str, own: str) -> Iterator[tuple[int, str]]:
    ours: list[int] = []
    for line in text.splitlines():
        entry = _JOURNAL.fullmatch(line)
        if entry is None:
            continue
        at = int(entry["at"])
        if entry["by"] == "sudo":
            # Of a command its program alone: its arguments may hold a key.
            if match := _SUDO.fullmatch(entry["text"]):
                yield at, f"{match['user']} ran {match['program']} with sudo"
        elif login := _LOGIN.match(entry["text"]):
            if own and login["address"] == own:
                ours.append(at)
                continue
            key = f" ({login['key']})" if login["key"] else ""
            yield at, f"{login['user']} logged in from {login['address']}{key}"
    if ours:
        yield max(ours), f"{counted(len(ours), 'login')} from {own}, the address of this controller"
