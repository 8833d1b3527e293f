from __future__ import annotations

import pytest

from reconciler.routers.traces import MARK, read

NOW = 1_764_000_000
FILES = f"{NOW - 20}.5128394720 ann tw-a-to-b.conf\n{NOW - 9000}.0 root tw-old.conf\n"
STARTS = "     12 charon-systemd\n700000 uptime\n"
PORT = "port 50512 ssh2"
JOURNAL = f"""\
{NOW - 30}.112233 vr1 sshd[811]: Accepted publickey for ann from 192.0.2.7 {PORT}: ED25519 SHA256:Zm9v
{NOW - 29}.000001 vr1 sshd-session[812]: Accepted publickey for root from 192.0.2.9 {PORT}: RSA SHA256:YmFy
{NOW - 28}.000001 vr1 sshd[813]: Accepted publickey for root from 192.0.2.9 {PORT}: RSA SHA256:YmFy
{NOW - 25}.500000 vr1 sudo[900]:      ann : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/usr/bin/tee PLANTED
"""


def answer(files: str = FILES, starts: str = STARTS, journal: str = JOURNAL, own: str = "192.0.2.9") -> str:
    return f"{NOW} {own}\n{MARK}\n{files}{MARK}\n{starts}{MARK}\n{journal}"


def test_what_happened_is_reported_in_its_order() -> None:
    found = read(answer(), 60)
    assert [(NOW - round(trace.at.timestamp()), trace.text) for trace in found] == [
        (30, "ann logged in from 192.0.2.7 (SHA256:Zm9v)"),
        (28, "2 logins from 192.0.2.9, the address of this controller"),
        (25, "ann ran /usr/bin/tee with sudo"),
        (20, "tw-a-to-b.conf was written as ann"),
        (12, "charon-systemd was started"),
    ]


def test_what_was_before_is_not_reported() -> None:
    assert [trace.text for trace in read(answer(), 15)] == ["charon-systemd was started"]
    assert read(answer(), 5) == ()


def test_a_router_that_was_started_says_so() -> None:
    assert [trace.text for trace in read(answer("", "40 uptime\n", ""), 60)] == ["the router was started"]


def test_only_the_latest_ten_are_reported() -> None:
    files = "".join(f"{NOW - number}.0 root tw-{number}.conf\n" for number in range(50))
    found = read(answer(files, "", ""), 60)
    assert [trace.text for trace in found] == [f"tw-{n}.conf was written as root" for n in range(9, -1, -1)]


def test_a_router_cannot_write_what_it_likes() -> None:
    hostile = f"{NOW - 1}.0 ro\x1b[31mot tw-\u202e\x07{'x' * 500}.conf\n"
    (trace,) = read(answer(hostile, "", ""), 60)
    assert trace.text.isprintable()
    assert trace.text.startswith(r"tw-\u202e\x07xxx"), "what is hidden is seen"
    assert len(trace.text) <= 100


@pytest.mark.parametrize(
    "said", ["", "x", f"{NOW}\n", MARK, answer("garbage\n", "-1 x\n", "2 vr1 sshd: Accepted\n")]
)
def test_what_has_another_form_is_passed_over(said: str) -> None:
    assert read(said, 60) == ()
