"""Output of a router's tools -> values. Pure and total: another format is a ValueError with a message,
or AnswerNotUnderstood for JSON, which `reconciler/model/decoding.py` parses."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import replace

from reconciler.model import bounds
from reconciler.model.decoding import Fields, from_json, not_understood, sequence
from reconciler.model.listing import counted
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import InterfaceAddress, LiveFile, LiveOwnedFile, Pair, Platform
from reconciler.routers.archive import BadArchive, unpack
from reconciler.routers.protocol import Stream
from schemas.addresses import is_address

_SECONDS = re.compile(r"[0-9]{1,12}\n")
_COUNT = re.compile(r"[0-9]{1,20}")
_NAME = re.compile(r"\S{1,15}")
"""Of an interface (linux/if.h, IFNAMSIZ)."""
_ADDRESSES = "addresses"
_OUR_FILE = re.compile(r"(?:\./)?(tw-[^/]{1,240}\.conf)")
_PATH = r"(/[A-Za-z0-9/._:@-]{1,300})"
_STATUS = re.compile(rf"([0-7]{{1,4}}) ([0-9]{{1,10}}:[0-9]{{1,10}}) {_PATH}")
_DIGEST = re.compile(rf"([0-9a-f]{{64}})  {_PATH}")
_NETWORK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@-]{0,200}\.network")
_PINGED = re.compile(rb"([0-9]{1,9}) packets transmitted, ([0-9]{1,9}) received(?:, \+([0-9]{1,9}) errors)?")
_ROUND_TRIP = re.compile(rb"rtt min/avg/max/mdev = ([0-9]{1,7}(?:\.[0-9]{1,6})?)/")
_WAY = re.compile(rb"([0-9]{1,6}) (.*)")
_REPLY = re.compile(
    rb"^[0-9]{1,5} bytes from .*icmp_seq=([0-9]{1,9}) .*time=([0-9]{1,7}(?:\.[0-9]{1,6})?) ms", re.MULTILINE
)
_SENT = re.compile(rb"([0-9]{1,9}) packets transmitted")
_STREAM = re.compile(rb"([0-9]{1,10}) (/run/tunnelwright-stream-[A-Za-z0-9]{6})\s*")
_TAKEN = re.compile(r"([!-~]{1,600}) ([0-9]{1,6})( armed)?\s*")


def text(said: bytes) -> str:
    """Whatever it is, as text."""
    return said.decode(errors="replace")


def addresses(said: bytes) -> frozenset[InterfaceAddress]:
    """The reply of `ip -j -4 address show`. Raises ValueError and AnswerNotUnderstood."""
    if len(said) > bounds.ROUTER_ADDRESSES_BYTES:
        raise ValueError(f"more than {bounds.ROUTER_ADDRESSES_BYTES // bounds.KIB} KiB")
    links = [Fields(link, _ADDRESSES) for link in sequence(from_json(said, _ADDRESSES), _ADDRESSES)]
    return frozenset(
        _address(link, Fields(info, _ADDRESSES, "addr_info"))
        for link in links
        # iproute2 lists an interface without addresses as an empty object.
        if link.names()
        for info in link.items("addr_info")
    )


def _address(link: Fields, info: Fields) -> InterfaceAddress:
    interface, local, length = link.text("ifname"), info.text("local"), info.number("prefixlen")
    if not _NAME.fullmatch(interface) or not interface.isprintable():
        raise not_understood(interface, "the name of an interface", _ADDRESSES, "ifname")
    if not is_address(local):
        raise not_understood(local, "an IPv4 address", _ADDRESSES, "addr_info", "local")
    if length > 32:
        raise not_understood(length, "a prefix length from 0 to 32", _ADDRESSES, "addr_info", "prefixlen")
    return InterfaceAddress(interface, f"{local}/{length}")


def listing(said: bytes) -> str:
    """A reply of `nft -j` or `ip -j` that others take to pieces, as text. Raises ValueError."""
    if len(said) > bounds.ROUTER_LISTING_BYTES:
        raise ValueError(f"more than {bounds.ROUTER_LISTING_BYTES // bounds.KIB} KiB")
    return text(said)


def clock(said: bytes) -> int:
    """The reply of `date +%s`. Raises ValueError."""
    if _SECONDS.fullmatch(text(said)) is None:
        raise ValueError("not a number of seconds")
    return int(said)


def settings(said: bytes, asked: Collection[str]) -> dict[str, str]:
    """Kernel settings, one in each line after its key and a colon. Raises ValueError."""
    found: dict[str, str] = {}
    for line in text(said).split("\n")[:-1]:
        key, colon, value = line.partition(":")
        if not colon or key not in asked or key in found or len(value) > bounds.ROUTER_SETTING_CHARACTERS:
            raise ValueError("a line that is not a requested setting")
        found[key] = value
    return found


def dropped(said: bytes) -> int | None:
    """A line of /proc/net/xfrm_stat, or none where the kernel does not count. Raises ValueError."""
    words = text(said).split()
    if not words:
        return None
    if len(words) != 2 or _COUNT.fullmatch(words[1]) is None:
        raise ValueError("not a counter and its number")
    return int(words[1])


def files(said: memoryview) -> dict[str, LiveFile]:
    """Our swanctl files in an archive, by name. Raises ValueError."""
    try:
        packed = unpack(said)
    except BadArchive as error:
        raise ValueError(str(error)) from error
    found = {}
    for path, file in packed.items():
        match = _OUR_FILE.fullmatch(path)
        if match is None or not path.isprintable():
            raise ValueError(f"{path[:100]!r} is not a requested file name")
        found[match[1]] = LiveFile(file.content, file.mode)
    return found


def owned(said: bytes) -> dict[str, LiveOwnedFile]:
    """Our files without keys by their paths: a line of `stat` for each, then a line of `sha256sum` for each.
    Raises ValueError."""
    lines = text(said).splitlines()
    if len(lines) % 2 or len(lines) > 2 * bounds.ROUTER_OWNED_FILES:
        raise ValueError(f"{counted(len(lines), 'line')} for files and their digests")
    found: dict[str, LiveOwnedFile] = {}
    half = len(lines) // 2
    for line, other in zip(lines[:half], lines[half:], strict=True):
        status, digest = _STATUS.fullmatch(line), _DIGEST.fullmatch(other)
        if status is None or digest is None or status[3] != digest[2] or status[3] in found:
            raise ValueError("a line that is not a requested file")
        found[status[3]] = LiveOwnedFile(digest[1], int(status[1], 8), status[2])
    return found


def platform(said: bytes) -> Platform:
    """What starts the router: `systemd`, `ruleset FILE`, `ifupdown`, `networkd INTERFACE FILE`. Raises
    ValueError."""
    facts: dict[str, str] = {}
    networks: dict[str, str] = {}
    for line in text(said).splitlines():
        match line.split(" "):
            case ["systemd" | "ifupdown" as name]:
                facts[name] = "yes"
            case ["ruleset" as name, path] if re.fullmatch(_PATH, path):
                facts[name] = path
            case ["networkd", interface, file] if _NAME.fullmatch(interface) and _NETWORK.fullmatch(file):
                networks[interface] = file
            case ["ruleset" | "networkd", *_]:
                # A name that nothing of ours could be written beside: as if there were none.
                continue
            case _:
                raise ValueError("a line that is not about the platform")
        if len(networks) > bounds.ROUTER_OWNED_FILES:
            raise ValueError(f"more than {bounds.ROUTER_OWNED_FILES} interfaces of systemd-networkd")
    return Platform("systemd" in facts, facts.get("ruleset", ""), "ifupdown" in facts, networks)


def management(said: bytes) -> Pair | None:
    """SSH_CONNECTION (sshd(8), environment): the client's address and port, then the server's. sshd without
    a socket calls them UNKNOWN."""
    words = text(said).split()
    if len(words) != 4 or not (is_address(words[0]) and is_address(words[2])):
        return None
    return words[2], words[0]


def lock_holder(said: bytes) -> tuple[str, int, bool]:
    """Who holds a lock, and for how many seconds more; whether the router is armed, so that none can take it.
    Raises ValueError."""
    match = _TAKEN.fullmatch(text(said))
    if match is None:
        raise ValueError("not the holder of a lock and its seconds")
    return match[1], int(match[2]), match[3] is not None


def ping(said: bytes) -> Echoes | None:
    """The last lines of ping (iputils); None where there are none. Raises ValueError."""
    match = _PINGED.search(said)
    if match is None:
        return None
    found = Echoes(int(match[1]), int(match[2]), errors=int(match[3] or 0))
    if found.received > found.sent:
        raise ValueError("more replies than requests")
    shortest = _ROUND_TRIP.search(said)
    return found if shortest is None else replace(found, rtt=float(shortest[1]) / 1000)


def probes(said: bytes, count: int) -> tuple[Echoes | None, ...]:
    """A line for each of so many ways, in any order: its number, and what ping (iputils) has said. Raises
    ValueError."""
    found: dict[int, Echoes | None] = {}
    for line in said.splitlines():
        match = _WAY.fullmatch(line)
        if match is None or not int(match[1]) < count or int(match[1]) in found:
            raise ValueError("not a line for each way")
        found[int(match[1])] = ping(match[2])
    if len(found) != count:
        raise ValueError(f"{counted(len(found), 'line')} for {counted(count, 'way')}")
    return tuple(found[way] for way in range(count))


def started_stream(said: bytes) -> tuple[str, str]:
    """The process and the file of a stream. Raises ValueError."""
    match = _STREAM.fullmatch(said)
    if match is None:
        raise ValueError("not a process and its file")
    return match[1].decode(), match[2].decode()


def stream(said: bytes, interval: float) -> Stream | None:
    """What ping (iputils) wrote -> a stream, without what was on its way when it was ended: at most as many
    requests as are sent within the longest round trip. It counts from the first request that was answered, as
    what was not answered before was lost before. None where ping has not ended. Raises ValueError.
    """
    last = _SENT.search(said)
    if last is None:
        return None
    sent = int(last[1])
    if sent > bounds.STREAM_PACKETS:
        raise ValueError(f"more than {bounds.STREAM_PACKETS} requests")
    replies = {int(number): float(time) / 1000 for number, time in _REPLY.findall(said)}
    first = min(replies, default=1)
    if first < 1 or max(replies, default=0) > sent:
        raise ValueError("a reply to a request that was not sent")
    on_its_way = sent - max(replies, default=sent)
    if on_its_way <= math.ceil(max(replies.values(), default=0.0) / interval):
        sent -= on_its_way
    row = longest = 0
    for number in range(first, sent + 1):
        row = 0 if number in replies else row + 1
        longest = max(longest, row)
    counted = sent - first + 1
    lost = counted - sum(number <= sent for number in replies)
    return Stream(counted, lost, longest * interval, (first - 1) * interval)
