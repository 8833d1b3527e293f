"""Every reader of what comes from outside, under inputs that are not written by hand.

A run of `make test` tries some inputs for each reader, the same ones every time, and all that were ever
found. `make fuzz` tries as many new ones as FUZZ_EXAMPLES says, and keeps what it finds in
`tests/fuzz/cases/<reader>/`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.limits import bounded
from tests.fuzz.mutation import anything
from tests.fuzz.readers import READERS, Reader

CASES = Path(__file__).parent / "cases"
LONG = "FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))


def run(reader: Reader, content: bytes) -> None:
    """What a reader may do with an input: read it, or refuse it by an error of its own."""
    with bounded():
        reader.read(content)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_nothing_foreign_ends_in_a_traceback(reader: Reader) -> None:
    found: list[bytes] = []

    @settings(
        max_examples=max(1, EXAMPLES // reader.cost),
        deadline=None,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    )
    @given(anything(reader.seeds))
    def every(content: bytes) -> None:
        try:
            run(reader, content)
        except BaseException:
            found.append(content)
            raise

    try:
        every()
    except BaseException:
        if found and LONG:
            keep(reader, found[-1])
        raise


def keep(reader: Reader, content: bytes) -> None:
    """Shrunk inputs come last, so the last one is the smallest."""
    folder = CASES / reader.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_what_was_found_once_stays_corrected(reader: Reader) -> None:
    for case in sorted((CASES / reader.name).glob("*")):
        run(reader, case.read_bytes())


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_good_input_is_read(reader: Reader) -> None:
    """Else the edits would start from what is refused at once, and reach nothing."""
    for seed in reader.seeds:
        reader.good(seed)


def test_every_kept_case_has_its_reader() -> None:
    assert {path.name for path in CASES.iterdir() if path.is_dir()} <= {reader.name for reader in READERS}
