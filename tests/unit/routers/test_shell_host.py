"""The host side of a router whose tools answer anything."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import bounds
from reconciler.model.errors import (
    AnswerNotUnderstood,
    CommandRejected,
    ExitCode,
    Locked,
    StillArmed,
    TunnelwrightError,
)
from reconciler.model.listing import counted
from reconciler.model.outcome import Echoes
from reconciler.model.router_config import InterfaceAddress, LiveOwnedFile, Platform
from reconciler.model.secret import Secret
from reconciler.routers.allowance import Allowance
from reconciler.routers.archive import pack
from reconciler.routers.scripts import MARK, TAKEN
from reconciler.routers.shell_host import Completed, ShellHost

LINK = {"ifname": "eth0", "addr_info": [{"local": "192.0.2.1", "prefixlen": 24}]}
KEYS = ["net/ipv4/ip_forward"]
DEEP = b"[" * 100_000 + b"]" * 100_000


def host(stdout: bytes = b"", status: int = 0, stderr: bytes = b"") -> ShellHost:
    """A router on which every command leaves this behind."""

    def run(_: Sequence[str], __: bytes, allowance: Allowance) -> Completed:
        allowance.took(len(stdout) + len(stderr))
        return Completed(status, stdout, stderr)

    return ShellHost("paris", run, "/etc/swanctl/conf.d")


def snapshot(
    links: bytes = json.dumps([{}, LINK]).encode(),
    *,
    record: bytes = b"",
    table: bytes = b"",
    copy: bytes = b"",
    settings: bytes = b"net/ipv4/ip_forward:1\n",
    dropped: bytes = b"XfrmAcquireError        \t7\n",
    archive: bytes = pack({"tw-a.conf": Secret(b"a {}")}),
    owned: bytes = b"",
    platform: bytes = b"",
    way_back: bytes = b"",
) -> bytes:
    mark = f"{MARK}\n".encode()
    parts = [links, record, table, copy, settings, dropped, owned, platform, way_back, archive]
    return mark.join([b"192.0.2.9 50000 192.0.2.1 22\n", *parts])


def test_an_answer_in_order_is_read() -> None:
    found = host(snapshot(table=b'{"nftables": \xff}')).snapshot(KEYS)
    assert found.addresses == {InterfaceAddress("eth0", "192.0.2.1/24")}
    assert found.firewall == '{"nftables": \N{REPLACEMENT CHARACTER}}'
    assert found.sysctls == {"net/ipv4/ip_forward": "1"}
    assert found.files["tw-a.conf"].content == Secret(b"a {}")
    assert found.management == ("192.0.2.1", "192.0.2.9")
    assert found.dropped == 7
    assert host(snapshot(dropped=b"")).snapshot(KEYS).dropped is None
    assert (found.copy, host(snapshot(copy=b"left\n")).snapshot(KEYS).copy) == (False, True)


def test_boot_files_and_the_platform_are_read() -> None:
    files = b"600 0:0 /etc/tunnelwright/guard.nft\n" + b"0" * 64 + b"  /etc/tunnelwright/guard.nft\n"
    words = b"systemd\nruleset /etc/nftables.conf\nifupdown\nnetworkd eth0 10-eth0.network\n"
    found = host(snapshot(owned=files, platform=words)).snapshot(KEYS)
    assert found.owned == {"/etc/tunnelwright/guard.nft": LiveOwnedFile("0" * 64, 0o600)}
    assert found.platform == Platform(
        systemd=True, ruleset="/etc/nftables.conf", ifupdown=True, networkd={"eth0": "10-eth0.network"}
    )
    odd = b"ruleset /etc/$(reboot)\nnetworkd eth0 a b.network\nnetworkd eth1 ../x.network\n"
    assert host(snapshot(platform=odd)).snapshot(KEYS).platform == Platform(), "as if there were none"


SNAPSHOTS = {
    "no marks": (b"hello\n", "output: 1 part of 11"),
    "nothing": (b"", "output: 1 part of 11"),
    "no JSON": (snapshot(b"ip: command not found"), "addresses: it is not JSON"),
    "no UTF-8": (snapshot(b'[{"ifname": "\xff'), "addresses: it is not JSON"),
    "deep JSON": (snapshot(DEEP), "addresses: it is nested too deeply"),
    "a number of 5,000 digits": (snapshot(b"[" + b"9" * 5000 + b"]"), "addresses: it is not JSON"),
    "another shape": (snapshot(b'{"ifname": "eth0"}'), "addresses: a section is not a list"),
    "strings": (snapshot(b'["eth0"]'), "addresses: 'eth0' is not a section"),
    "no addresses": (snapshot(b'[{"ifname": "eth0"}]'), "addresses: addr_info: is missing"),
    "no name": (snapshot(json.dumps([LINK | {"ifname": 5}]).encode()), "addresses: ifname: 5 is not text"),
    "a name that cannot be encoded": (
        snapshot(json.dumps([LINK | {"ifname": "\ud800"}]).encode()),
        "addresses: ifname: .* is not text that can be encoded",
    ),
    "no address": (
        snapshot(json.dumps([LINK | {"addr_info": [{"local": "::1", "prefixlen": 1}]}]).encode()),
        "addresses: addr_info: local: '::1' is not an IPv4 address",
    ),
    "a byte inside that is no UTF-8": (snapshot(b'[{"ifname": "\xff", "addr_info": []}]'), "it is not JSON"),
    "a number that is none": (snapshot(b'[{"ifname": "a", "addr_info": [], "mtu": NaN}]'), "it is not JSON"),
    "a prefix that is true": (
        snapshot(b'[{"ifname": "a", "addr_info": [{"local": "192.0.2.1", "prefixlen": true}]}]'),
        "addresses: addr_info: prefixlen: True is not a whole number",
    ),
    "a prefix of 33": (
        snapshot(b'[{"ifname": "a", "addr_info": [{"local": "192.0.2.1", "prefixlen": 33}]}]'),
        "addresses: addr_info: prefixlen: 33 is not a prefix length",
    ),
    "a prefix of 2**70": (
        snapshot(json.dumps([LINK | {"addr_info": [{"local": "192.0.2.1", "prefixlen": 2**70}]}]).encode()),
        "addresses: addr_info: prefixlen: .* is not a whole number",
    ),
    "many addresses": (snapshot(b" " * (4 * bounds.MIB + 1)), "addresses: more than 4096 KiB"),
    "a long listing": (snapshot(table=b" " * (8 * bounds.MIB + 1)), "nftables listing: more than 8192 KiB"),
    "a setting without a value": (snapshot(settings=b"net/ipv4/ip_forward\n"), "kernel settings: a line"),
    "another setting": (snapshot(settings=b"net/ipv4/other 1\n"), "kernel settings: a line"),
    "a long setting": (snapshot(settings=b"net/ipv4/ip_forward:" + b"1" * 200 + b"\n"), "kernel settings"),
    "a counter without a number": (snapshot(dropped=b"XfrmAcquireError\n"), "packet counter: not a counter"),
    "a counter that is none": (snapshot(dropped=b"XfrmAcquireError -1\n"), "packet counter: not a counter"),
    "a file without a digest": (snapshot(owned=b"600 0:0 /etc/x\n"), "boot files: 1 line for"),
    "a digest of another file": (
        snapshot(owned=b"600 0:0 /etc/x\n" + b"0" * 64 + b"  /etc/y\n"),
        "boot files: a line that is not a requested file",
    ),
    "a file that occurs twice": (
        snapshot(owned=b"600 0:0 /etc/x\n" * 2 + (b"0" * 64 + b"  /etc/x\n") * 2),
        "boot files: a line that is not a requested file",
    ),
    "many files": (snapshot(owned=b"600 0:0 /etc/x\n" * 2002), "boot files: 2,002 lines"),
    "words about the platform": (snapshot(platform=b"openrc\n"), "platform: a line"),
    "many networks": (
        snapshot(platform=b"".join(b"networkd e%d e.network\n" % number for number in range(1001))),
        "platform: more than 1000 interfaces",
    ),
    "words about the way back": (snapshot(way_back=b"armed soon\n"), "way back: a line"),
    "no archive": (snapshot(archive=b"tar: broken"), "files: no header"),
}


@pytest.mark.parametrize("kind", SNAPSHOTS)
def test_a_part_that_is_not_understood_is_named(kind: str) -> None:
    said, words = SNAPSHOTS[kind]
    with pytest.raises(AnswerNotUnderstood, match=words) as caught:
        host(said).snapshot(KEYS)
    assert (caught.value.router, caught.value.operation) == ("paris", "observe")
    assert "its answer was not understood" in str(caught.value)


OTHERS: dict[str, tuple[Callable[[ShellHost], object], bytes, int]] = {
    "inspect": (lambda h: h.inspect(), b"no mark", 0),
    "route": (lambda h: h.route([("a", "b", "c")]), b"one\ntwo\n", 0),
    "read files": (lambda h: h.read_files("/etc/*"), b"no tar", 0),
    "lock": (lambda h: h.lock("me", 5), b"x", TAKEN),
    "ping": (lambda h: h.ping("a", "b", 5), b"3 packets transmitted, 4 received", 0),
    "probe": (lambda h: h.probe([("a", "b")], 3, 20), b"1 5 packets transmitted, 5 received\n", 0),
    "start a stream": (lambda h: h.start_stream("a", "b", 0.02, 5), b"5 /etc/passwd\n", 0),
    "stop a stream": (lambda h: h.stop_stream("5 /run/x 0.020"), b"999999999 packets transmitted", 0),
}


@pytest.mark.parametrize("operation", OTHERS)
def test_an_answer_of_another_shape_is_not_understood(operation: str) -> None:
    ask, said, status = OTHERS[operation]
    with pytest.raises(AnswerNotUnderstood) as caught:
        ask(host(said, status))
    assert (caught.value.router, caught.value.operation) == ("paris", operation)


def test_the_results_of_probes_are_those_of_their_ways() -> None:
    said = (
        b"2 ping: bind: Cannot assign requested address \n"
        b"0 3 packets transmitted, 2 received, 33% packet loss, time 400ms rtt min/avg/max/mdev = "
        b"0.250/0.300/0.350/0.050 ms \n"
        b"1 3 packets transmitted, 0 received, 100% packet loss, time 2033ms  \n"
    )
    ways = [("10.1.0.1", f"10.2.0.{number}") for number in range(3)]
    assert host(said).probe(ways, 3, 20) == (Echoes(3, 2, 0.00025), Echoes(3, 0), None)
    for nonsense in (said + said, said[:10], said.replace(b"2 ping", b"3 ping"), b""):
        with pytest.raises(AnswerNotUnderstood, match="probes: "):
            host(nonsense).probe(ways, 3, 20)


@pytest.mark.parametrize("clock", [b"", b"-5\n", b"9" * 13 + b"\n", "\N{SUPERSCRIPT TWO}\n".encode()])
def test_the_clock_is_a_number(clock: bytes) -> None:
    mark, parts = f"{MARK}\n".encode(), [b"{}\n", b"[]\n", b"[]\n", b"[]\n"]
    assert host(mark.join([*parts, b"1795748616\n"])).inspect().clock == 1_795_748_616
    with pytest.raises(AnswerNotUnderstood, match="clock: not a number of seconds"):
        host(mark.join([*parts, clock])).inspect()


@pytest.mark.parametrize("left", ["5" * 5000, "-5", "\N{SUPERSCRIPT TWO}"])
def test_the_seconds_of_a_lock_are_a_number(left: str) -> None:
    with pytest.raises(AnswerNotUnderstood, match="lock: not the holder"):
        host(f"you@there:1 {left}\n".encode(), TAKEN).lock("me@here:2", 60)
    with pytest.raises(Locked, match="you@there:1"):
        host(b"you@there:1 5\n", TAKEN).lock("me@here:2", 60)


def test_a_router_that_is_armed_is_locked_in_another_way() -> None:
    with pytest.raises(StillArmed, match="a change by you@there is not confirmed yet") as raised:
        host(b"you@there 5 armed\n", TAKEN).lock("me@here:2", 60)
    assert (raised.value.left, raised.value.exit_code) == (5, ExitCode.LOCKED)


ASKED: list[Callable[[ShellHost], object]] = [
    lambda h: h.snapshot(KEYS),
    lambda h: h.traces(60),
    lambda h: h.unlock("me"),
    lambda h: h.write_files({"tw-a.conf": Secret(b"")}),
    lambda h: h.change_firewall("{}"),
    *(ask for ask, _, _ in OTHERS.values()),
]
_PIECES = st.sampled_from(
    [
        f"{MARK}\n".encode(),
        b"[]\n",
        json.dumps([LINK]).encode(),
        b"net/ipv4/ip_forward:1\n",
        pack({"tw-a.conf": Secret(b"a")}),
        b"5 packets transmitted, 5 received\n",
        b"64 bytes from 10.1.0.1: icmp_seq=1 ttl=64 time=0.05 ms\n",
        b"99999999999999999999 root x\n",
        b"7 192.0.2.1\n",
        b"1764000000 192.0.2.1\n",
        b"1763999990.5 vr1 sudo[9]: a : COMMAND=/bin/x\n",
        b"5 uptime\n",
    ]
)


@given(
    st.lists(st.one_of(_PIECES, _PIECES, st.binary(max_size=30)), max_size=12), st.sampled_from([0, 1, TAKEN])
)
def test_any_output_is_an_answer_or_an_error_of_that_router(pieces: list[bytes], status: int) -> None:
    for ask in ASKED:
        try:
            ask(host(b"".join(pieces), status, b"\xff\x1b[2J"))
        except TunnelwrightError as error:
            assert error.router == "paris"


def test_no_output_is_larger_than_its_bound() -> None:
    with pytest.raises(AnswerNotUnderstood, match=r"output of `route`: more than 1 MiB"):
        host(b"x" * (bounds.MIB + 1)).route([])


KEY = b"correct horse battery staple"


@pytest.mark.parametrize(
    "echo", [KEY, base64.b64encode(KEY), KEY.hex().encode(), KEY[::-1], base64.b32encode(KEY), KEY[:10]]
)
def test_errors_of_a_command_that_was_given_keys_are_withheld(echo: bytes) -> None:
    stderr = b"tar: " + echo + b": Cannot write: No space left on device\n"
    with pytest.raises(CommandRejected) as caught:
        host(b"", 2, stderr).write_files({"tw-a.conf": Secret(KEY)})
    withheld = f"its output of {counted(len(stderr), 'byte')} is withheld, because it was given keys"
    assert caught.value.message == f"No space left on device ({withheld})"


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (b"tunnelwright: 5: mktemp: not found\n", "mktemp: not found"),
        (os.strerror(30).encode(), "Read-only file system"),
        (KEY, "^its output of 28 bytes is withheld"),
        (b"", "exit status 1"),
    ],
)
def test_what_is_known_of_an_error_is_reported_even_so(stderr: bytes, words: str) -> None:
    with pytest.raises(CommandRejected, match=words):
        host(b"", 1, stderr).write_files({"tw-a.conf": Secret(KEY)})


def test_other_errors_are_short_and_hold_no_key() -> None:
    key = Secret(b"another horse, another battery")
    encoded = base64.b64encode(key.reveal())
    with pytest.raises(CommandRejected) as caught:
        host(b"", 1, b"nft: " + encoded + b" x" * 5000).change_firewall("{}")
    assert encoded.decode()[:-3] not in caught.value.message
    assert "(redacted)" in caught.value.message
    assert len(caught.value.message) < 600
    with pytest.raises(CommandRejected, match=r"^the cause$"):
        host(b"", 1, b"the cause\ntar: Exiting with failure status due to previous errors\n").inspect()


@pytest.mark.parametrize("ask", [lambda h: h.lock("me", 5), lambda h: h.unlock("me")], ids=["lock", "unlock"])
def test_a_lock_is_not_waited_for_long(ask: Callable[[ShellHost], object]) -> None:
    """Neither where nothing comes, nor where it dribbles: other routers wait for it."""
    left: list[float] = []

    def run(_: Sequence[str], __: bytes, allowance: Allowance) -> Completed:
        left.append(allowance.left())
        allowance.took(bounds.LOCK_ANSWER_BYTES)
        left.append(allowance.left())
        with pytest.raises(AnswerNotUnderstood):
            allowance.took(1)
        return Completed(0, b"", b"")

    ask(ShellHost("paris", run, "/etc/swanctl/conf.d"))
    assert max(left) <= bounds.LOCK_SECONDS + 1
    assert 3 * bounds.LOCK_SECONDS < bounds.LOCK_LEASE, "a renewal that fails is tried again"
