"""How a loaded connection differs, and whether its file or charon shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diff import connections
from reconciler.model.swanctl import UNOBSERVABLE, Change, flatten
from tests.contract.sites import rename_tunnels
from tests.fabrics import two_routers
from tests.unit.diff.ends import NAME, compiled, desired, end_of, held, with_file


def test_what_charon_reports_is_compared_with_it_and_the_rest_with_the_file() -> None:
    found = connections.compare(end_of(desired(ike__lifetime=4000, esp__integrity="sha512"), held()))
    by_path = {change.path: change for change in found}
    assert by_path["rekey_time"] == Change("rekey_time", "86400s", "4000s", "vici")
    proposals = by_path["children.net.esp_proposals"]
    assert (proposals.before, proposals.source) == (("aes256-sha256-modp2048",), "file")
    # The grace and the spread are parts of the lifetime.
    assert by_path.keys() == {"rekey_time", "over_time", "rand_time", "children.net.esp_proposals"}


def test_a_connection_as_desired_has_no_differences() -> None:
    assert connections.compare(end_of(desired(), held())) == ()


@pytest.mark.parametrize(
    "content", [b"connections {", b"include other.conf\n", b""], ids=["cut", "include", "empty"]
)
def test_what_neither_reports_is_unobservable_and_never_equal(content: bytes) -> None:
    config = desired()
    found = connections.compare(end_of(config, with_file(held(), lambda _: content)))
    [connection] = config.connections.values()
    reported = {"version", "local_addrs", "remote_addrs", "rekey_time", "dpd_delay", "unique"}
    reported |= {"local.auth", "local.id", "remote.auth", "remote.id"}
    child = {f"children.net.{key}" for key in ("local_ts", "remote_ts", "rekey_time", "dpd_action", "mode")}
    assert {change.path for change in found} == {
        path for path, _ in flatten(connection.settings)
    } - reported - child
    assert {(change.before, change.source) for change in found} == {(UNOBSERVABLE, "file")}


def test_one_that_is_not_loaded_differs_in_every_field() -> None:
    config = desired()
    found = connections.compare(end_of(config, replace(held(), connections={})))
    [connection] = config.connections.values()
    assert [(change.path, change.before, change.after) for change in found] == [
        (path, None, value) for path, value in flatten(connection.settings)
    ]


def test_a_renamed_one_is_compared_with_the_former() -> None:
    config = compiled(rename_tunnels(two_routers(), {"paris-tokyo": "anew"}))
    end = end_of(config, held(ike__dpd_delay=60))
    assert Change("dpd_delay", "60s", "30s", "vici") in connections.compare(end)
    assert connections.compare_names(end) == (Change("name", NAME, "tw-anew", "vici"),)
    # Once the new one is there it is what is compared, and the former is left for the rest of its steps.
    both = replace(held(), connections={**held().connections, "tw-anew": held().connections[NAME]})
    assert connections.compare_names(end_of(config, both)) != ()
    gone = replace(held(), connections={}, files={}, sas=(), secret_ids=frozenset())
    assert connections.compare_names(end_of(config, gone)) == ()
