"""A saved plan is a file from outside: whatever it holds, it is read or refused in words."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.cli import saved_plan
from reconciler.model.bounds import SAVED_PLAN_BYTES
from reconciler.model.errors import TunnelwrightError
from reconciler.model.plan import Plan

GOOD = {
    "format": saved_plan.FORMAT,
    "tree": "/tree",
    "rev": None,
    "desired": "d",
    "digest": "e",
    "lab": None,
    "target": ["a"],
    "exclude": [],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    saved = saved_plan.SavedPlan(tmp_path, "a" * 40, "d", "e", "lab", ("x",), ("y", "z"))
    saved_plan.write(tmp_path / "plan", saved, Plan())
    assert saved_plan.read(tmp_path / "plan") == saved


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"format": ' + b"9" * 5_000 + b"}",
        json.dumps({**GOOD, "format": ["x" * 1_000]}).encode(),
        json.dumps({**GOOD, "tree": "a\0b"}).encode(),
        json.dumps({**GOOD, "target": "router"}).encode(),
        json.dumps({**GOOD, "target": {"router": 1}}).encode(),
        json.dumps({**GOOD, "rev": 7}).encode(),
        json.dumps({key: value for key, value in GOOD.items() if key != "lab"}).encode(),
    ],
    ids=[
        "empty", "list", "bytes", "deep", "deep-mapping", "digits", "format", "zero", "text", "mapping",
        "number", "missing",
    ],
)  # fmt: skip
def test_what_is_no_saved_plan_is_said(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "plan"
    file.write_bytes(content)
    with pytest.raises(TunnelwrightError) as caught:
        saved_plan.read(file)
    assert len(caught.value.message) < 500 + len(str(file))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from(sorted(GOOD)), JSON, max_size=4))
def test_no_value_raises_anything_else(changed: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "plan").write_text(json.dumps({**GOOD, **changed}))
    with suppress(TunnelwrightError):
        saved_plan.read(tmp_path / "plan")


def test_more_than_the_bound_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "plan"
    with file.open("wb") as opened:
        opened.truncate(SAVED_PLAN_BYTES + 1)
    with pytest.raises(TunnelwrightError, match="has more than 268,435,456 bytes"):
        saved_plan.read(file)
