"""What the benchmark of `--help` prints, and that it counts the processor time of a process alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.startup import FLOOR, HERE, commands, processor_seconds, table


def test_each_ratio_is_that_of_a_round() -> None:
    """A machine that is slow for a while slows both sides of a round."""
    assert table({FLOOR: [0.02, 0.2, 0.02], "x": [0.1, 1.0, 0.1]})[2:] == [
        f"| `{FLOOR}` | 20 ms |  |",
        "| `x` | 100 ms | 5.00 x |",
    ]


def test_other_trees_are_measured_beside_this_one(tmp_path: Path) -> None:
    found = commands([tmp_path])
    assert found[f"tunnelwright --help ({tmp_path.name})"] == (tmp_path, ["-m", "reconciler", "--help"])
    assert found["tunnelwright --help"][0] == HERE


def test_a_process_takes_processor_time_and_one_that_fails_ends_the_benchmark() -> None:
    assert processor_seconds(HERE, ["-c", "pass"]) > 0
    with pytest.raises(SystemExit, match="no such thing"):
        processor_seconds(HERE, ["-c", "raise SystemExit('no such thing')"])
