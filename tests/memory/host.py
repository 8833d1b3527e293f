"""The host side of a router in memory: addresses, sysctls, files and one nftables table."""

from __future__ import annotations

import copy
import fnmatch
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.facets import boot
from reconciler.facets import files as swanctl_files
from reconciler.facets.addresses import by_place, decode_record, record_text
from reconciler.model import bounds
from reconciler.model.errors import CommandRejected, Locked, RouterUnreachable, StillArmed
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import InterfaceAddress, LiveFile, OwnedFile, Pair, Platform
from reconciler.model.secret import Secret
from reconciler.model.trace import Trace
from reconciler.model.way_back import Armed, Arming, Cause, Saved, WayBack, WentBack
from reconciler.routers.protocol import HostInspection, HostSnapshot, Stream


class MemoryHost:
    """What lies beside charon. `ping` sends echo requests from one address to
    another and gives the number of replies."""

    def __init__(
        self, name: str, addresses: Iterable[InterfaceAddress], ping: Callable[[str, str, int], int]
    ) -> None:
        self._name = name
        self._ping = ping
        self.largest = 65_507
        """The bytes of data of the largest echo request that arrives anywhere."""
        self.up = True
        self._lock = ("", 0.0)
        self.addresses = set(addresses)
        self.sysctls: dict[str, str] = {}
        self.management: Pair | None = None
        self.files: dict[str, LiveFile] = {}
        self.owned: dict[str, OwnedFile] = {}
        self.platform = Platform()
        self.record: dict[InterfaceAddress, str] = {}
        self.kept_traces: list[Trace] = []
        self.table: list[dict[str, Any]] | None = None
        """Sets, chains and rules of `inet tunnelwright` in order; None when there is no table."""
        self.copy = False
        """Whether a command that has replaced it was ended before it could take the copy away."""
        self.rtt: float | None = 0.01
        """Seconds of a round trip."""
        self.full = False
        """Whether its disk is full."""
        self.way_back = WayBack()
        self.kept: dict[str, Any] = {}
        """What is saved while it is armed."""
        self.confirmed = ""
        """The arming that was confirmed last."""
        self.unrestored: tuple[str, ...] = ()
        """What it cannot restore when it goes back."""
        self.running: Callable[[], frozenset[int]] = frozenset
        """The numbers of charon's SAs."""
        self.reload: Callable[[frozenset[str], frozenset[int]], None] = lambda *_: None
        """Lets charon load its files, and end SAs of these connections that have other numbers."""

    def snapshot(self, sysctls: Iterable[str]) -> HostSnapshot:
        """Everything at once; an unset value is 0, save rp_filter, which distributions set to 1."""
        self._check("observe")
        listing = "" if self.table is None else json.dumps({"nftables": self.table})
        defaults = {key: "1" if key.endswith("rp_filter") else "0" for key in sysctls}
        return HostSnapshot(
            frozenset(self.addresses),
            listing,
            {**defaults, **self.sysctls},
            {name: file for name, file in self.files.items() if swanctl_files.is_ours(name)},
            record_text(self.record),
            self.management,
            owned=boot.as_applied(self.owned),
            platform=self.platform,
            way_back=self.way_back,
            copy=self.copy,
        )

    def inspect(self) -> HostInspection:
        """There is no other table, and no route but to everywhere."""
        self._check("inspect")
        return HostInspection(json.dumps({"nftables": self.table or []}), "[]", clock=int(time.time()))

    def traces(self, seconds: int) -> tuple[Trace, ...]:
        """What a test has put there."""
        self._check("traces")
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        return tuple(trace for trace in self.kept_traces if trace.at >= since)

    def route(self, questions: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
        """Every packet leaves by the interface of the userspace data plane."""
        self._check("route")
        return tuple(json.dumps([{"dst": destination, "dev": "ipsec0"}]) for _, destination, _ in questions)

    def set_sysctls(self, values: Mapping[str, str]) -> None:
        """Write kernel settings."""
        self._check("set sysctls")
        self.sysctls.update(values)

    def add_address(self, address: InterfaceAddress, owner: str) -> None:
        """Record and configure an address, where the interface does not have it."""
        self._check("add address")
        if address.place not in by_place(self.addresses):
            self.record[address] = owner
            self.addresses.add(address)

    def remove_address(self, address: InterfaceAddress) -> None:
        """Remove an address, then its line."""
        self._check("remove address")
        self.addresses.discard(address)
        self.record.pop(address, None)

    def record_address(self, address: InterfaceAddress, owner: str) -> None:
        """Replace a line, or take it away."""
        self._check("record address")
        self.record.pop(address, None)
        if owner:
            self.record[address] = owner

    def write_record(self, record: str) -> None:
        """Replace all lines."""
        self._check("write record")
        self.record = dict(decode_record(record).owners)

    def write_files(self, files: Mapping[str, Secret]) -> None:
        """Write swanctl files."""
        self._check("write files")
        for name, content in files.items():
            self.files[name] = LiveFile(content, swanctl_files.MODE)

    def remove_files(self, names: Iterable[str]) -> None:
        """Remove swanctl files."""
        self._check("remove files")
        for name in names:
            self.files.pop(name, None)

    def write_owned(self, files: Mapping[str, OwnedFile]) -> None:
        """Write files without keys."""
        self._check("write boot files")
        self.owned.update(files)

    def remove_owned(self, paths: Iterable[str]) -> None:
        """Remove files without keys."""
        self._check("remove boot files")
        for path in paths:
            self.owned.pop(path, None)

    def read_files(self, pattern: str) -> Mapping[str, Secret]:
        """Those below /etc/swanctl."""
        self._check("read files")
        depth = pattern.count("/")
        held = {f"{swanctl_files.FOLDER}/{name}": file.content for name, file in self.files.items()}
        held["/etc/swanctl/swanctl.conf"] = Secret(b"include conf.d/*.conf\n")
        found = sorted(name for name in fnmatch.filter(held, pattern) if name.count("/") == depth)
        return {name: held[name] for name in found}

    def set_aside(self, path: str) -> None:
        """Rename one of those in conf.d."""
        self._check("set aside")
        name = path.rpartition("/")[2]
        if f"{name}.adopted" in self.files:
            raise CommandRejected(
                f"{path}.adopted is there already", router=self._name, operation="set aside"
            )
        self.files[f"{name}.adopted"] = self.files.pop(name)

    def lock(self, owner: str, seconds: int) -> None:
        """Take or renew the lock."""
        self._check("lock")
        holder, until = self._lock
        if holder not in {"", owner} and until > time.monotonic():
            raise Locked(holder, router=self._name)
        armed = self.way_back.armed
        if armed is not None and (holder != owner or until <= time.monotonic()):
            raise StillArmed(armed.arming.owner, armed.left, router=self._name)
        self._lock = (owner, time.monotonic() + min(seconds, bounds.LEASE_SECONDS))

    def unlock(self, owner: str) -> None:
        """Give the lock back."""
        if self._lock[0] == owner:
            self._lock = ("", 0.0)

    def arm(self, arming: Arming, saved: Saved) -> None:
        """Save all that is there. Its time is over when a test says so."""
        self._check("arm")
        if self.full:
            raise CommandRejected("No space left on device", router=self._name, operation="arm")
        if self.way_back.armed is not None:
            raise CommandRejected("the router is armed already", router=self._name, operation="arm")
        self.kept = {
            "files": dict(self.files),
            "owned": dict(self.owned),
            "record": dict(self.record),
            "addresses": set(self.addresses),
            "sysctls": dict(self.sysctls),
            "table": copy.deepcopy(self.table),
            "connections": (frozenset(saved.connections), self.running()),
        }
        self.way_back = WayBack(Armed(self._name, arming, arming.seconds))

    def confirm(self, arming: str) -> None:
        """Forget what was saved."""
        self._check("confirm")
        if self.way_back.armed is None or self.way_back.armed.arming.id != arming:
            back = self.way_back.back
            gone = back is not None and back.arming.id == arming
            if arming == self.confirmed and not gone:
                return
            said = "it had gone back before" if gone else "it is not armed"
            raise CommandRejected(said, router=self._name, operation="confirm")
        self.way_back, self.kept, self.confirmed = WayBack(), {}, arming

    def go_back(self, arming: str) -> WentBack | None:
        """Restore what was saved."""
        self._check("go back")
        if self.way_back.armed is not None and self.way_back.armed.arming.id == arming:
            self.restore(Cause.UNPROVEN)
        back = self.way_back.back
        return back if back is not None and back.arming.id == arming else None

    def forget(self, arming: str) -> None:
        """Report it no more."""
        self._check("forget")
        if self.way_back.back is not None and self.way_back.back.arming.id == arming:
            self.way_back = WayBack(self.way_back.armed)

    def restore(self, cause: Cause) -> None:
        """What an armed router does by itself."""
        armed, kept = self.way_back.armed, self.kept
        assert armed is not None
        self.files, self.owned, self.record = kept["files"], kept["owned"], kept["record"]
        self.addresses, self.sysctls, self.table = kept["addresses"], kept["sysctls"], kept["table"]
        self.way_back = WayBack(
            back=WentBack(self._name, armed.arming, cause, datetime.now(UTC), self.unrestored)
        )
        self.kept = {}
        self.reload(*kept["connections"])

    def ping(self, source: str, destination: str, count: int) -> Echoes:
        """All replies come back, or none."""
        self._check("ping")
        return Echoes(count, self._ping(source, destination, count))

    def probe(
        self,
        ways: Sequence[tuple[str, str]],
        count: int,
        pace: float,  # noqa: ARG002
    ) -> tuple[Echoes | None, ...]:
        """No time passes here. A way from an address that is not its own is none."""
        self._check("probe")
        own = {address.host for address in self.addresses}
        found = [self.ping(*way, count) if way[0] in own else None for way in ways]
        return tuple(replace(ping, rtt=self.rtt) if ping and ping.received else ping for ping in found)

    def sizes(
        self, source: str, destination: str, count: int, sizes: Sequence[int]
    ) -> tuple[Echoes | None, ...]:
        """Those of at most `largest` bytes arrive."""
        self._check("sizes")
        if source not in {address.host for address in self.addresses}:
            return (None,) * len(sizes)
        return tuple(
            Echoes(count, self._ping(source, destination, count) if size <= self.largest else 0)
            for size in sizes
        )

    def start_stream(self, source: str, destination: str, interval: float, seconds: float) -> str:  # noqa: ARG002
        """No time passes here: a stream is one echo request at its start and one at its end."""
        self._check("start a stream")
        return f"{source} {destination} {interval} {self._ping(source, destination, 1)}"

    def stop_stream(self, stream: str) -> Stream:
        """The second request."""
        self._check("stop a stream")
        source, destination, interval, first = stream.split()
        last, seconds = self._ping(source, destination, 1), float(interval)
        if last and not int(first):
            return Stream(1, 0, 0.0, seconds)
        lost = 2 - int(first) - last
        return Stream(2, lost, lost * seconds)

    def change_firewall(self, document: str, copy: str = "") -> None:
        """One transaction: all of it or nothing."""
        self._check("change firewall")
        table = None if self.table is None else [dict(entry) for entry in self.table]
        for command in json.loads(document)["nftables"]:
            verb, entry = next(iter(command.items()))
            table = self._run(table, verb, entry)
        self.table = table
        # No packets pass here, so there was none.
        self.copy = self.copy and not copy

    def _run(
        self, table: list[dict[str, Any]] | None, verb: str, entry: dict[str, Any]
    ) -> list[dict[str, Any]] | None:
        kind, body = next(iter(entry.items()))
        match verb, kind:
            case "add", "table":
                return [] if table is None else table
            case "delete", "table":
                if table is None:
                    raise self._rejected("No such file or directory; did you mean table?")
                return None
        if table is None:
            raise self._rejected("Could not process rule: No such file or directory")
        if verb == "flush":
            return [entry for entry in table if "rule" not in entry]
        if kind != "element":
            return [*table, entry]
        changed = []
        for known in table:
            if "set" in known and known["set"]["name"] == body["name"]:
                elements = [e for e in known["set"].get("elem", []) if e not in body["elem"]]
                missing = verb == "delete" and len(elements) + len(body["elem"]) != len(
                    known["set"].get("elem", [])
                )
                if missing:
                    raise self._rejected("Could not process rule: No such file or directory")
                elements += body["elem"] if verb == "add" else []
                changed.append({"set": {**known["set"], "elem": elements}})
            else:
                changed.append(known)
        return changed

    def _check(self, operation: str) -> None:
        if not self.up:
            raise RouterUnreachable("the router is down", router=self._name, operation=operation)

    def _rejected(self, message: str) -> CommandRejected:
        return CommandRejected(message, router=self._name, operation="change firewall")
