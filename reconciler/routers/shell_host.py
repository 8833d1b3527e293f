"""The host side of a router over any way to run a command there: POSIX sh, iproute2, nftables, tar.

Keys travel on standard input only: an argument would show in the router's process list. What comes back is
data of unknown shape: each answer is within bounds and of its form, or an error of this router.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.model import bounds
from reconciler.model.errors import AnswerNotUnderstood, CommandRejected, Locked, StillArmed
from reconciler.model.listing import counted
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import InterfaceAddress, OwnedFile
from reconciler.model.secret import Secret
from reconciler.model.trace import Trace
from reconciler.model.way_back import Arming, Saved, WentBack
from reconciler.routers import answers, scripts, traces, way_back
from reconciler.routers.allowance import Allowance, Limits
from reconciler.routers.archive import BadArchive, pack, unpack
from reconciler.routers.protocol import HostInspection, HostSnapshot, Stream
from reconciler.routers.quota import in_force
from reconciler.routers.redaction import without_keys
from reconciler.routers.scripts import Script

Value = TypeVar("Value")

_C = ("env", "LC_ALL=C")
"""What a command says is understood in this language."""
_MARK = f"{scripts.MARK}\n".encode()
_ECHO_SECONDS = 0.05
"""Between two echo requests of a ping."""
_PROBE_SECONDS = 0.2
"""Between two of a probe (`probe.sh`)."""
_ECHO_WAIT = 2
"""For the reply to the last one."""


def _observation_limits() -> Limits:
    """For a command that reads much."""
    return Limits(bounds.ROUTER_OBSERVATION_SECONDS, bounds.ROUTER_OBSERVATION_BYTES)


def _words() -> Limits:
    """For one that answers in words."""
    return Limits(bounds.ROUTER_OBSERVATION_SECONDS, bounds.ROUTER_WORDS_BYTES)


def _change() -> Limits:
    """For one that changes something."""
    return Limits(bounds.ROUTER_CHANGE_SECONDS, bounds.ROUTER_WORDS_BYTES)


def _lock() -> Limits:
    """For one that takes or gives back a lock."""
    return Limits(bounds.LOCK_SECONDS, bounds.LOCK_ANSWER_BYTES)


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind; of its errors, the beginning."""

    status: int
    stdout: bytes
    stderr: bytes


Run = Callable[[Sequence[str], bytes, Allowance], Completed]
"""Runs an argument vector on the router with the given standard input, within an allowance; raises
RouterUnreachable, CommandRejected, and what the allowance raises."""


class ShellHost:
    """The host side of the router that `run` reaches."""

    def __init__(self, router: str, run: Run, folder: str) -> None:
        self._router = router
        self._run = run
        self._folder = folder
        self._quotas = in_force()

    def snapshot(self, sysctls: Iterable[str]) -> HostSnapshot:
        """Read everything in one command."""
        keys = list(sysctls)
        output = self._observed("observe", self._script(Script.SNAPSHOT, *keys))
        parts = self._parts("observe", output, 11)
        session, links, record, table, copy, values, dropped, owned, platform, back, archive = parts
        return HostSnapshot(
            addresses=self._read("observe", "addresses", lambda: answers.addresses(bytes(links))),
            firewall=self._read("observe", "nftables listing", lambda: answers.listing(bytes(table))),
            copy=answers.text(bytes(copy)).strip() == "left",
            sysctls=self._read("observe", "kernel settings", lambda: answers.settings(bytes(values), keys)),
            files=self._read("observe", "files", lambda: answers.files(archive)),
            record=answers.text(bytes(record)),
            management=answers.management(bytes(session)),
            dropped=self._read("observe", "packet counter", lambda: answers.dropped(bytes(dropped))),
            owned=self._read("observe", "boot files", lambda: answers.owned(bytes(owned))),
            platform=self._read("observe", "platform", lambda: answers.platform(bytes(platform))),
            way_back=self._read(
                "observe", "way back", lambda: way_back.decode(self._router, answers.text(bytes(back)))
            ),
        )

    def inspect(self) -> HostInspection:
        """Read every firewall rule, route, neighbor and interface, and the clock."""
        output = self._observed("inspect", self._script(Script.INSPECT))
        ruleset, routes, neighbors, links, clock = self._parts("inspect", output, 5)
        return HostInspection(
            self._read("inspect", "nftables ruleset", lambda: answers.listing(bytes(ruleset))),
            self._read("inspect", "routes", lambda: answers.listing(bytes(routes))),
            self._read("inspect", "neighbors", lambda: answers.listing(bytes(neighbors))),
            self._read("inspect", "interfaces", lambda: answers.listing(bytes(links))),
            self._read("inspect", "clock", lambda: answers.clock(bytes(clock))),
        )

    def traces(self, seconds: int) -> tuple[Trace, ...]:
        """Ask its files, its processes and its journal."""
        said = self._ask("traces", self._script(Script.TRACES, str(seconds)))
        return self._read("traces", "traces", lambda: traces.read(answers.text(said), seconds))

    def route(self, questions: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
        """Ask the kernel where it would forward packets, all in one command."""
        asked = list(questions)
        words = [word for question in asked for word in question]
        lines = answers.text(self._ask("route", self._script(Script.ROUTE, *words))).split("\n")[:-1]
        if len(lines) != len(asked):
            raise self._refused(
                "route",
                "routes",
                f"{counted(len(lines), 'line')} for {counted(len(asked), 'query', 'queries')}",
            )
        return tuple(lines)

    def read_files(self, pattern: str) -> Mapping[str, Secret]:
        """Read every file that a pattern names, in one command."""
        archive = self._observed("read files", self._script(Script.READ, pattern))
        try:
            packed = unpack(memoryview(archive))
        except BadArchive as error:
            raise self._refused("read files", "files", str(error)) from error
        return {f"/{name.lstrip('/')}": file.content for name, file in packed.items()}

    def set_sysctls(self, values: Mapping[str, str]) -> None:
        """Write kernel settings, all in one command."""
        settings = (f"{key}={value}" for key, value in values.items())
        self._change("set sysctls", self._script(Script.SYSCTLS, *settings))

    def add_address(self, address: InterfaceAddress, owner: str) -> None:
        """Record and configure an address, in one command."""
        self._address("add address", Script.ADD_ADDRESS, address, owner)

    def remove_address(self, address: InterfaceAddress) -> None:
        """Remove an address, in one command."""
        self._address("remove address", Script.REMOVE_ADDRESS, address)

    def record_address(self, address: InterfaceAddress, owner: str) -> None:
        """Replace one line of the record."""
        self._address("record address", Script.RECORD_ADDRESS, address, owner)

    def write_record(self, record: str) -> None:
        """Replace the record."""
        self._change("write record", self._script(Script.WRITE_RECORD), stdin=record.encode())

    def _address(self, operation: str, script: Script, address: InterfaceAddress, *more: str) -> None:
        self._change(operation, self._script(script, address.cidr, address.interface, *more))

    def change_firewall(self, document: str, copy: str = "") -> None:
        """Run one nftables transaction, or three: the copy comes, the change is made, the copy goes."""
        if copy:
            files = {"document": Secret(document.encode()), "copy": Secret(copy.encode())}
            self._change("change firewall", self._script(Script.CHANGE_FIREWALL), stdin=pack(files))
            return
        self._change("change firewall", [*_C, "nft", "-j", "-f", "-"], stdin=document.encode())

    def write_files(self, files: Mapping[str, Secret]) -> None:
        """Write swanctl files, all in one command."""
        self._change("write files", self._script(Script.WRITE), stdin=pack(files), keys=True)

    def remove_files(self, names: Iterable[str]) -> None:
        """Remove swanctl files, all in one command."""
        listed = "".join(f"{name}\n" for name in names)
        self._change("remove files", self._script(Script.REMOVE), stdin=listed.encode())

    def write_owned(self, files: Mapping[str, OwnedFile]) -> None:
        """Write files without keys, all in one command."""
        contents = {path.lstrip("/"): Secret(file.content.encode()) for path, file in files.items()}
        packed = pack(contents, {path.lstrip("/"): file.mode for path, file in files.items()})
        self._change("write boot files", self._script(Script.WRITE_OWNED, *files), stdin=packed)

    def remove_owned(self, paths: Iterable[str]) -> None:
        """Remove files without keys, all in one command."""
        self._change("remove boot files", self._script(Script.REMOVE_OWNED, *paths))

    def set_aside(self, path: str) -> None:
        """Rename a file to `.adopted`."""
        self._change("set aside", self._script(Script.SET_ASIDE, path))

    def lock(self, owner: str, seconds: int) -> None:
        """Take or renew the lock."""
        until = str(min(seconds, bounds.LEASE_SECONDS))
        done = self._execute("lock", self._script(Script.LOCK, owner, until), _lock())
        if done.status == scripts.TAKEN:
            holder, left, armed = self._read("lock", "lock", lambda: answers.lock_holder(done.stdout))
            if armed:
                raise StillArmed(holder, left, router=self._router)
            raise Locked(
                holder,
                router=self._router,
                hint=f"use --lock-timeout to wait for it; the lock expires in {left} s unless it is renewed",
            )
        self._succeeded("lock", done)

    def unlock(self, owner: str) -> None:
        """Give the lock back."""
        self._execute("unlock", self._script(Script.LOCK, owner, "0"), _lock())

    def arm(self, arming: Arming, saved: Saved) -> None:
        """Save what is there, and start the timer, in one command."""
        listed = {"connections": saved.connections, "sysctls": saved.sysctls, "aside": saved.aside}
        files = {
            name: Secret("".join(f"{line}\n" for line in lines).encode()) for name, lines in listed.items()
        }
        files["script"] = Secret(f"{scripts.text(Script.GO_BACK)}\n".encode())
        self._change("arm", self._script(Script.ARM, *way_back.words(arming)), stdin=pack(files))

    def confirm(self, arming: str) -> None:
        """Stop the timer, and delete what was saved."""
        self._change("confirm", self._script(Script.CONFIRM, arming))

    def go_back(self, arming: str) -> WentBack | None:
        """Run what the timer would run."""
        own = bounds.GO_BACK_SECONDS
        limits = Limits(bounds.ROUTER_LONGEST_SECONDS, bounds.ROUTER_WORDS_BYTES, own)
        script = self._script(Script.GO_BACK_NOW, arming, f"{own:.0f}")
        said = self._succeeded("go back", self._execute("go back", script, limits))
        return self._read(
            "go back", "way back", lambda: way_back.decode(self._router, answers.text(said))
        ).back

    def forget(self, arming: str) -> None:
        """Delete what the router reports of it."""
        self._change("forget", self._script(Script.FORGET, arming))

    def ping(self, source: str, destination: str, count: int) -> Echoes:
        """Send echo requests; no reply at all is an answer, not an error."""
        argv = ["ping", "-n", "-q", "-c", f"{count}", "-i", f"{_ECHO_SECONDS}", "-W", f"{_ECHO_WAIT}"]
        own = count * _ECHO_SECONDS + _ECHO_WAIT
        limits = Limits(bounds.ROUTER_OBSERVATION_SECONDS + own, bounds.ROUTER_WORDS_BYTES, own)
        done = self._execute("ping", [*argv, "-I", source, destination], limits)
        found = self._read("ping", "ping", lambda: answers.ping(done.stdout))
        if found is None:
            raise self._rejected("ping", done)
        return found

    def probe(self, ways: Sequence[tuple[str, str]], count: int, pace: float) -> tuple[Echoes | None, ...]:
        """Send echo requests on each way, in one command; the ways overlap."""
        pause = count / pace
        own = len(ways) * pause + count * _PROBE_SECONDS + _ECHO_WAIT
        limits = Limits(bounds.ROUTER_OBSERVATION_SECONDS + own, bounds.ROUTER_WORDS_BYTES, own)
        words = [f"{count}", f"{pause:.3f}", *(address for way in ways for address in way)]
        done = self._execute("probe", self._script(Script.PROBE, *words), limits)
        said = self._succeeded("probe", done)
        return self._read("probe", "probes", lambda: answers.probes(said, len(ways)))

    def sizes(
        self, source: str, destination: str, count: int, sizes: Sequence[int]
    ) -> tuple[Echoes | None, ...]:
        """Send echo requests of each size at the same time, in one command."""
        own = count * _ECHO_SECONDS + _ECHO_WAIT
        limits = Limits(bounds.ROUTER_OBSERVATION_SECONDS + own, bounds.ROUTER_WORDS_BYTES, own)
        words = [f"{count}", source, destination, *map(str, sizes)]
        said = self._succeeded("sizes", self._execute("sizes", self._script(Script.SIZES, *words), limits))
        return self._read("sizes", "sizes", lambda: answers.probes(said, len(sizes)))

    def start_stream(self, source: str, destination: str, interval: float, seconds: float) -> str:
        """Leave a ping running."""
        arguments = (source, destination, f"{interval:.3f}", f"{seconds:.0f}")
        said = self._ask("start a stream", self._script(Script.START_STREAM, *arguments))
        process, file = self._read("start a stream", "stream", lambda: answers.started_stream(said))
        return f"{process} {file} {interval:.3f}"

    def stop_stream(self, stream: str) -> Stream:
        """Interrupt the ping, and read what it has seen."""
        process, file, interval = stream.split()
        said = self._observed("stop a stream", self._script(Script.STOP_STREAM, process, file))
        found = self._read("stop a stream", "stream", lambda: answers.stream(said, float(interval)))
        if found is None:
            raise CommandRejected("ping did not end", router=self._router, operation="stop a stream")
        return found

    def _observed(self, operation: str, argv: Sequence[str]) -> bytes:
        """What a command that reads much has written."""
        return self._succeeded(operation, self._execute(operation, argv, _observation_limits()))

    def _ask(self, operation: str, argv: Sequence[str]) -> bytes:
        """What a command that answers in words has written."""
        return self._succeeded(operation, self._execute(operation, argv, _words()))

    def _change(
        self, operation: str, argv: Sequence[str], stdin: bytes = b"", *, keys: bool = False
    ) -> bytes:
        return self._succeeded(operation, self._execute(operation, argv, _change(), stdin), keys=keys)

    def _script(self, script: Script, *arguments: str) -> list[str]:
        """The command that runs a script there."""
        known = scripts.variables(self._folder)
        return ["env", *known, "sh", "-c", scripts.text(script), "tunnelwright", *arguments]

    def _execute(self, operation: str, argv: Sequence[str], limits: Limits, stdin: bytes = b"") -> Completed:
        # What is given up here ends there too, even when the connection has gone.
        within = ["timeout", "-k", "5", f"{max(bounds.ROUTER_LONGEST_SECONDS, limits.seconds):.0f}"]
        source = f"output of `{operation}`"
        with Allowance(limits, self._router, operation, source, self._quotas) as allowance:
            return self._run([*within, *argv], stdin, allowance)

    def _succeeded(self, operation: str, done: Completed, *, keys: bool = False) -> bytes:
        if done.status != 0:
            raise self._rejected(operation, done, keys=keys)
        return done.stdout

    def _parts(self, operation: str, output: bytes, count: int) -> list[memoryview]:
        """The parts of an output, divided by marks."""
        whole, begin = memoryview(output), 0
        parts: list[memoryview] = []
        for _ in range(count - 1):
            end = output.find(_MARK, begin)
            if end < 0:
                raise self._refused(operation, "output", f"{counted(len(parts) + 1, 'part')} of {count}")
            parts.append(whole[begin:end])
            begin = end + len(_MARK)
        return [*parts, whole[begin:]]

    def _read(self, operation: str, where: str, read: Callable[[], Value]) -> Value:
        """What was read of a part of an answer."""
        try:
            return read()
        except AnswerNotUnderstood as error:
            error.router, error.operation = self._router, operation
            raise
        except ValueError as error:
            raise self._refused(operation, where, str(error)) from error

    def _refused(self, operation: str, where: str, what: str) -> AnswerNotUnderstood:
        return AnswerNotUnderstood(what, where=where, router=self._router, operation=operation)

    def _rejected(self, operation: str, done: Completed, *, keys: bool = False) -> CommandRejected:
        text = without_keys(done.stderr, keys=keys) or f"exit status {done.status}"
        return CommandRejected(text, router=self._router, operation=operation)
