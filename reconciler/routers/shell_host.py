"""The host side of a router over any way to run a command there: POSIX sh, iproute2, nftables, tar.

Keys travel on standard input only: an argument would show in the router's process list.
"""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.facets import traces
from reconciler.model.errors import CommandRejected, Locked
from reconciler.model.router_config import InterfaceAddress, LiveFile, Pair
from reconciler.model.secret import Secret
from reconciler.routers.protocol import HostInspection, HostSnapshot, Ping, Stream
from schemas.addresses import is_address

_MARK = "--tunnelwright--"

# One command for all the rest. `nft` answers "No such file or directory" where the table is missing;
# any other failure of it must not pass for that, so its own words are looked at.
_SNAPSHOT = f"""
set -eu
echo "${{SSH_CONNECTION:-}}"
ip -j -4 address show
echo '{_MARK}'
if ! nft -j list table inet tunnelwright 2>/tmp/.tunnelwright-nft.$$; then
    grep -q 'No such file' /tmp/.tunnelwright-nft.$$ || {{ cat /tmp/.tunnelwright-nft.$$ >&2; exit 1; }}
fi
rm -f /tmp/.tunnelwright-nft.$$
echo '{_MARK}'
for key do
    if [ -r "/proc/sys/$key" ]; then printf '%s %s\\n' "$key" "$(cat "/proc/sys/$key")"; fi
done
echo '{_MARK}'
mkdir -p "$FOLDER"
cd "$FOLDER"
find . -maxdepth 1 -type f -name 'tw-*.conf' -print0 | tar --create --null --files-from=- --file=-
"""

_INSPECT = f"""
set -eu
nft -j list ruleset
echo '{_MARK}'
ip -4 -j route show table all
"""

# Each part does without its tool, and without the right to ask.
_TRACES = f"""
now=$(date +%s)
echo "$now ${{SSH_CONNECTION%% *}}"
echo '{traces.MARK}'
find "$FOLDER" /etc/swanctl/swanctl.conf -maxdepth 1 -type f -newermt "@$((now - $1))" \\
    -printf '%T@ %u %f\\n' 2>/dev/null
echo '{traces.MARK}'
ps -o etimes=,comm= -C charon-systemd,charon 2>/dev/null
echo "$(cut -d. -f1 /proc/uptime) uptime"
echo '{traces.MARK}'
journalctl --quiet --no-pager --output=short-unix --since="@$((now - $1))" \\
    SYSLOG_IDENTIFIER=sshd + SYSLOG_IDENTIFIER=sshd-session + SYSLOG_IDENTIFIER=sudo 2>/dev/null |
    grep -e ': Accepted ' -e 'COMMAND=' | tail -n 50
true
"""

# A refusal is an answer: what the kernel says of a blackhole goes where a route would stand.
_ROUTE = """
while [ $# -gt 0 ]; do
    ip -4 -j route get "$2" from "$1" iif "$3" 2>&1 | tr '\\n' ' '
    echo
    shift 3
done
"""

# Without IFS the shell still expands the pattern, and splits nothing.
_READ = """
set -eu
IFS=
for file in $1; do
    if [ -f "$file" ]; then printf '%s\\0' "$file"; fi
done | tar --create --dereference --absolute-names --null --files-from=- --file=-
"""

# Everything is unpacked beside its place first: a rename within one file system is atomic, so charon
# never loads half a file, and a full disk fails before anything is replaced.
_WRITE = """
set -eu
umask 077
mkdir -p "$FOLDER"
cd "$FOLDER"
new=$(mktemp -d .tunnelwright-XXXXXX)
trap 'rm -rf "$new"' EXIT
tar --extract --no-same-owner --file=- --directory="$new"
sync
find "$new" -maxdepth 1 -type f -exec mv -f -t . {} +
"""

_SYSCTLS = """
set -eu
for setting do
    printf %s "${setting#*=}" > "/proc/sys/${setting%%=*}"
done
"""

# /run does not outlive the router, and neither does a lock; so its time is that since the router's start,
# which no correction of the clock moves. flock(1) makes looking and taking one act.
_LOCK = """
set -eu
exec 9>/run/tunnelwright.guard
flock 9
read -r now rest < /proc/uptime
now=${now%%.*}
if [ -s /run/tunnelwright.lock ]; then
    read -r owner until < /run/tunnelwright.lock
    if [ "$owner" != "$1" ] && [ "$until" -gt "$now" ]; then
        echo "$owner $((until - now))"
        exit 75
    fi
fi
if [ "$2" -gt 0 ]; then
    printf '%s %s\\n' "$1" "$((now + $2))" > /run/tunnelwright.lock
else
    rm -f /run/tunnelwright.lock
fi
"""
_TAKEN = 75

_REMOVE = """
set -eu
cd "$FOLDER"
tr '\\n' '\\0' | xargs -0 -r rm -f --
"""


# What somebody else wrote is not overwritten, neither now nor when it is written anew.
_SET_ASIDE = """
set -eu
if [ -e "$1.adopted" ]; then echo "$1.adopted is there already" >&2; exit 1; fi
mv -- "$1" "$1.adopted"
"""

# The stream outlives the command that began it, and not its own deadline. A list that runs beside a shell
# without job control ignores SIGINT (POSIX, 2.12); ping sets a handler of its own for it.
_START_STREAM = """
set -eu
umask 077
find /run -maxdepth 1 -name 'tunnelwright-stream-*' -mmin +60 -delete
file=$(mktemp /run/tunnelwright-stream-XXXXXX)
ping -n -i "$3" -w "$4" -I "$1" "$2" > "$file" 2>&1 < /dev/null &
echo "$! $file $3"
"""

# A process that has ended and waits for its parent has no command line any more.
_STOP_STREAM = """
set -eu
running() { tr '\\0' ' ' < "/proc/$1/cmdline" 2>/dev/null | grep -q '^ping '; }
if running "$1"; then kill -INT "$1"; fi
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    running "$1" || break
    sleep 0.05
done
cat "$2"
rm -f "$2"
"""
_REPLY = re.compile(rb"^\d+ bytes from .*icmp_seq=(\d+) .*time=([\d.]+) ms", re.MULTILINE)
_SENT = re.compile(rb"(\d+) packets transmitted")


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind."""

    status: int
    stdout: bytes
    stderr: bytes


Run = Callable[[Sequence[str], bytes], Completed]
"""Runs an argument vector on the router with the given standard input; raises RouterUnreachable."""


class ShellHost:
    """The host side of the router that `run` reaches."""

    def __init__(self, router: str, run: Run, folder: str) -> None:
        self._router = router
        self._run = run
        self._folder = folder

    def snapshot(self, sysctls: Iterable[str]) -> HostSnapshot:
        """Read everything in one command."""
        output = self._script("observe", _SNAPSHOT, *sysctls)
        session, _, output = output.partition(b"\n")
        addresses, listing, settings, archive = output.split(f"{_MARK}\n".encode(), 3)
        return HostSnapshot(
            addresses=_addresses(json.loads(addresses)),
            firewall=listing.decode(),
            sysctls=dict(line.split(" ", 1) for line in settings.decode().splitlines()),
            files=_unpack(archive),
            management=_management(session.decode()),
        )

    def inspect(self) -> HostInspection:
        """Read every firewall rule and route."""
        output = self._script("inspect", _INSPECT).decode()
        ruleset, routes = output.split(f"{_MARK}\n", 1)
        return HostInspection(ruleset, routes)

    def traces(self, seconds: int) -> tuple[traces.Trace, ...]:
        """Ask its files, its processes and its journal."""
        return traces.read(self._script("traces", _TRACES, str(seconds)).decode(errors="replace"), seconds)

    def route(self, questions: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
        """Ask the kernel where it would forward packets, all in one command."""
        words = [word for question in questions for word in question]
        return tuple(self._script("route", _ROUTE, *words).decode().splitlines())

    def read_files(self, pattern: str) -> Mapping[str, Secret]:
        """Read every file that a pattern names, in one command."""
        archive = self._script("read files", _READ, pattern)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            contents = {f"/{member.name.lstrip('/')}": tar.extractfile(member) for member in tar}
            return {name: Secret(file.read()) for name, file in contents.items() if file is not None}

    def set_sysctls(self, values: Mapping[str, str]) -> None:
        """Write kernel settings, all in one command."""
        self._script("set sysctls", _SYSCTLS, *(f"{key}={value}" for key, value in values.items()))

    def add_address(self, address: InterfaceAddress) -> None:
        """Configure an address."""
        self._script("add address", 'ip address replace "$1" dev "$2"', address.cidr, address.interface)

    def change_firewall(self, document: str) -> None:
        """Run one nftables transaction."""
        self._script("change firewall", "exec nft -j -f -", stdin=document.encode())

    def write_files(self, files: Mapping[str, Secret]) -> None:
        """Write swanctl files, all in one command."""
        self._script("write files", _WRITE, stdin=_pack(files))

    def remove_files(self, names: Iterable[str]) -> None:
        """Remove swanctl files, all in one command."""
        self._script("remove files", _REMOVE, stdin="".join(f"{name}\n" for name in names).encode())

    def set_aside(self, path: str) -> None:
        """Rename a file to `.adopted`."""
        self._script("set aside", _SET_ASIDE, path)

    def lock(self, owner: str, seconds: int) -> None:
        """Take or renew the lock."""
        done = self._run(self._command(_LOCK, owner, str(seconds)), b"")
        if done.status == _TAKEN:
            holder, left = done.stdout.decode(errors="replace").split()
            raise Locked(
                holder,
                router=self._router,
                hint=f"--lock-timeout waits for it; the lock expires by itself in {left} s unless renewed",
            )
        if done.status != 0:
            raise self._rejected("lock", done)

    def unlock(self, owner: str) -> None:
        """Give the lock back."""
        self._run(self._command(_LOCK, owner, "0"), b"")

    def ping(self, source: str, destination: str, count: int) -> Ping:
        """Send echo requests; no reply at all is an answer, not an error."""
        argv = ["ping", "-n", "-q", "-c", str(count), "-i", "0.05", "-W", "2", "-I", source, destination]
        done = self._run(argv, b"")
        numbers = re.search(rb"(\d+) packets transmitted, (\d+) received", done.stdout)
        if numbers is None:
            raise self._rejected("ping", done)
        return Ping(int(numbers[1]), int(numbers[2]))

    def start_stream(self, source: str, destination: str, interval: float, seconds: float) -> str:
        """Leave a ping running."""
        arguments = (source, destination, f"{interval:.3f}", f"{seconds:.0f}")
        return self._script("start a stream", _START_STREAM, *arguments).decode().strip()

    def stop_stream(self, stream: str) -> Stream:
        """Interrupt the ping, and read what it has seen."""
        process, file, interval = stream.split()
        said = self._script("stop a stream", _STOP_STREAM, process, file)
        if (sent := _SENT.search(said)) is None:
            raise CommandRejected("ping did not end", router=self._router, operation="stop a stream")
        return _read_stream(said, int(sent[1]), float(interval))

    def _script(self, operation: str, script: str, *arguments: str, stdin: bytes = b"") -> bytes:
        done = self._run(self._command(script, *arguments), stdin)
        if done.status != 0:
            raise self._rejected(operation, done)
        return done.stdout

    def _command(self, script: str, *arguments: str) -> list[str]:
        return ["env", f"FOLDER={self._folder}", "LC_ALL=C", "sh", "-c", script, "tunnelwright", *arguments]

    def _rejected(self, operation: str, done: Completed) -> CommandRejected:
        # tar's last line only says that there was an earlier one.
        said = done.stderr.decode(errors="replace").strip().splitlines()
        words = [line for line in said if not line.endswith("due to previous errors")]
        text = words[-1] if words else f"exit status {done.status}"
        return CommandRejected(text, router=self._router, operation=operation)


def _read_stream(said: bytes, sent: int, interval: float) -> Stream:
    """What ping (iputils) wrote -> a stream, without what was on its way when it was ended: at most as many
    requests as are sent within the longest round trip."""
    replies = {int(number): float(time) / 1000 for number, time in _REPLY.findall(said)}
    on_its_way = sent - max(replies, default=sent)
    if on_its_way <= math.ceil(max(replies.values(), default=0.0) / interval):
        sent -= on_its_way
    row = longest = 0
    for number in range(1, sent + 1):
        row = 0 if number in replies else row + 1
        longest = max(longest, row)
    return Stream(sent, sent - sum(number <= sent for number in replies), longest * interval)


def _management(session: str) -> Pair | None:
    """SSH_CONNECTION (sshd(8), environment): the client's address and port, then the server's. sshd without
    a socket calls them UNKNOWN."""
    words = session.split()
    if len(words) != 4 or not (is_address(words[0]) and is_address(words[2])):
        return None
    return words[2], words[0]


def _addresses(links: list[dict[str, Any]]) -> frozenset[InterfaceAddress]:
    return frozenset(
        InterfaceAddress(link["ifname"], f"{info['local']}/{info['prefixlen']}")
        for link in links
        # iproute2 lists an interface without addresses as an empty object.
        if link
        for info in link["addr_info"]
    )


def _unpack(archive: bytes) -> dict[str, LiveFile]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                name = member.name.removeprefix("./")
                found[name] = LiveFile(Secret(content.read()), member.mode & 0o7777)
    return found


def _pack(files: Mapping[str, Secret]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, secret in files.items():
            content = secret.reveal()
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
