"""How a tunnel's key differs, without showing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import secrets
from reconciler.facets.secrets import digest_of
from reconciler.model.operation import LoadConnection, LoadSecret
from reconciler.model.plan import Phase
from reconciler.model.swanctl import UNOBSERVABLE, Change
from tests.unit.diff.ends import KEY, desired, end_of, held, steps, tunnel_of, with_file, with_sa

OTHER = "another key of both"


def digest(psk: str) -> str:
    [connection] = desired(psk).connections.values()
    return digest_of(connection.secret.id)


def test_another_key_is_recognized_by_its_fingerprint() -> None:
    assert secrets.compare(end_of(desired(OTHER), held())) == (
        Change("psk", digest(KEY), digest(OTHER), "vici"),
    )
    assert secrets.compare(end_of(desired(), held())) == ()


def test_one_that_is_not_loaded_has_nothing_before_it() -> None:
    found = secrets.compare(end_of(desired(), replace(held(), secret_ids=frozenset())))
    assert found == (Change("psk", None, digest(KEY), "vici"),)


def test_a_key_beside_the_right_one_is_retired() -> None:
    state = replace(held(), secret_ids=held().secret_ids | held(OTHER).secret_ids)
    change = tunnel_of(desired(), state)
    assert change.changes == (Change("psk.retired", digest(OTHER), None, "vici"),)
    assert change.reason == "a key that it no longer uses is loaded"
    assert steps(change) == [(Phase.RETIRE, f"unload key ike-tw-paris-tokyo-{digest(OTHER)}")]


def test_another_key_under_the_right_fingerprint_is_loaded_again() -> None:
    """Only the file could say which key the id stands for."""
    state = with_file(held(), lambda content: content.replace(b"secret = 0s", b"secret = 0sAAAA"))
    assert secrets.compare(end_of(desired(), state)) == (Change("psk", UNOBSERVABLE, digest(KEY), "file"),)
    assert [phase for phase, _ in steps(tunnel_of(desired(), state))] == [
        Phase.MARK,
        Phase.SECRETS,
        Phase.COMMIT,
    ]


def test_other_owners_are_a_difference() -> None:
    state = with_file(held(), lambda content: content.replace(b"id-2 = 203.0.113.12", b"id-2 = 203.0.113.99"))
    [change] = secrets.compare(end_of(desired(), state))
    assert (change.path, change.before, change.source) == (
        "psk.owners",
        ("203.0.113.11", "203.0.113.99"),
        "file",
    )
    assert change.after == ("203.0.113.11", "203.0.113.12")


def former(state_psk: str = KEY, **fields: Any) -> tuple[object, object]:
    """What is loaded again where the peer does not know a new key: connection and key."""
    change = tunnel_of(desired(OTHER, **fields), held(state_psk))
    loads = [step.operation for step in change.steps]
    [key] = [item.former for item in loads if isinstance(item, LoadSecret)]
    [connection] = [item.former for item in loads if isinstance(item, LoadConnection)]
    return connection, key


def test_where_nothing_but_the_key_changes_the_one_before_can_be_loaded_again() -> None:
    [before] = desired().connections.values()
    assert former() == (before.settings, before.secret)


@pytest.mark.parametrize("fields", [{"esp__integrity": "sha512"}, {"ike__dh_group": 15}])
def test_where_more_changes_nothing_of_before_is_loaded_again(fields: dict[str, Any]) -> None:
    assert former(**fields) == (None, None)


def test_where_nothing_runs_there_is_nothing_to_go_back_to() -> None:
    change = tunnel_of(desired(OTHER), replace(held(), sas=()))
    assert [s.operation.former for s in change.steps if isinstance(s.operation, LoadSecret)] == [None]
    change = tunnel_of(desired(OTHER), with_sa(held(), algorithms="3des-md5-modp1024"))
    assert [s.operation.former for s in change.steps if isinstance(s.operation, LoadSecret)] == [None]
