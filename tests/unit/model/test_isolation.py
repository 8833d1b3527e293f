from __future__ import annotations

import logging

import pytest

from reconciler.model.errors import RouterUnreachable, Unforeseen
from reconciler.model.isolation import attempt, unforeseen
from reconciler.model.secret import Secret


def test_what_was_foreseen_is_the_result() -> None:
    error = RouterUnreachable("gone", router="a")

    def work() -> int:
        raise error

    assert attempt("router", "a", work) is error
    assert attempt("router", "a", lambda: 7) == 7


def test_what_was_not_is_logged_without_keys_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    key = Secret(b"planted-7d2c-key")
    before = unforeseen().get("router", 0)

    def work() -> int:
        raise ValueError(f"cannot parse {key.reveal().decode()}")

    with caplog.at_level(logging.ERROR):
        result = attempt("router", "a", work)
    assert isinstance(result, Unforeseen)
    assert result.router == "a"
    assert "Traceback" in caplog.text
    assert "ValueError" in caplog.text
    assert "planted-7d2c" not in caplog.text + str(result)
    assert unforeseen()["router"] == before + 1


def test_what_ends_the_process_is_raised() -> None:
    def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("router", "a", work)
