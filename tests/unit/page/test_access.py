"""Who may read the page."""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus

import pytest

from reconciler.model.secret import Secret
from reconciler.page.access import Access

OPEN = Access(url="https://tunnels.example.net/")
PROXIED = Access(identity_header="X-User", proxy="192.0.2.20")
WITH_TOKEN = Access(token=Secret(b"opensesame"))
HOST = {"host": "127.0.0.1:8081"}


def basic(text: str) -> dict[str, str]:
    return {**HOST, "authorization": f"Basic {b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "x"])
def test_it_is_read_and_nothing_else(method: str) -> None:
    assert OPEN.refuses(method, "127.0.0.1", HOST) is HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8081", True),
        ("192.0.2.7", True),
        ("[::1]:8081", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("tunnels.example.net", True),
        ("tunnels.example.net:443", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("tunnels.example.net.evil.example", False),
        ("tunnels.example.net@evil.example", False),
        ("evil.example@localhost", False),
        ("localhost/x", False),
        ("localhost:x", False),
        ("[", False),
        ("", False),
    ],
)
def test_a_name_that_another_site_may_have_is_refused(host: str, known: bool) -> None:
    """A page of that site would read all of this one (DNS rebinding)."""
    assert (OPEN.refuses("GET", "127.0.0.1", {"host": host}) is None) is known


def test_a_user_whom_the_proxy_names_may_read_and_no_other() -> None:
    named = {**HOST, "x-user": "ann"}
    assert PROXIED.refuses("GET", "192.0.2.20", named) is None
    assert PROXIED.refuses("GET", "192.0.2.21", named) is HTTPStatus.FORBIDDEN
    assert PROXIED.refuses("GET", "", named) is HTTPStatus.FORBIDDEN
    assert PROXIED.refuses("GET", "192.0.2.20", HOST) is HTTPStatus.FORBIDDEN
    assert PROXIED.refuses("GET", "192.0.2.20", {**HOST, "x-user": " "}) is HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        (basic("me:opensesame"), True),
        (basic(":opensesame"), True),
        ({**HOST, "authorization": "Bearer opensesame"}, True),
        ({**HOST, "authorization": "bearer opensesame"}, True),
        (basic("opensesame:"), False),
        (basic("me:opensesam"), False),
        (HOST, False),
        ({**HOST, "authorization": "Basic ###"}, False),
        ({**HOST, "authorization": "Bearer \u00ff"}, False),
        ({**HOST, "authorization": "Digest opensesame"}, False),
    ],
)
def test_a_token_is_a_password_or_a_bearer(headers: dict[str, str], known: bool) -> None:
    assert WITH_TOKEN.refuses("GET", "192.0.2.9", headers) is (None if known else HTTPStatus.UNAUTHORIZED)


def test_either_of_both_is_enough() -> None:
    both = Access(identity_header="X-User", proxy="192.0.2.20", token=Secret(b"opensesame"))
    assert both.refuses("GET", "192.0.2.20", {**HOST, "x-user": "ann"}) is None
    assert both.refuses("GET", "192.0.2.9", basic("x:opensesame")) is None
    assert both.refuses("GET", "192.0.2.9", {**HOST, "x-user": "ann"}) is HTTPStatus.UNAUTHORIZED
