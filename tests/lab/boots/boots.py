"""`python -m tests.lab.boots.boots` (`make boots`): a Debian router loses its power again and again.

A table shows how many packets of its tunnel were in the clear. The last row is a control: there they must be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path

from lab.engine import find_engine
from lab.image import ensure_image
from tests.lab.boots import rounds
from tests.lab.boots.rounds import HEADER, MOMENTS, PHASES, Round
from tests.lab.boots.site import Site, booted


def all_rounds(site: Site, boots: int) -> Iterator[Round]:
    """So many boots at least, of all kinds in turn."""
    kinds = [partial(rounds.cut_at, site, moment) for moment in MOMENTS]
    kinds += [partial(rounds.cut_within_an_apply, site, phase, number) for number, phase in enumerate(PHASES)]
    kinds.append(partial(rounds.without_charon, site))
    done = 0
    for kind in cycle(kinds):
        if done >= boots:
            return
        found = kind()
        done += found.boots
        yield found


def main() -> int:
    """Boot, and print the table; 1 if a packet was in the clear, or if none was without the guards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="boots (default: 50)")
    arguments = parser.parse_args()
    engine = find_engine()
    boots = leaks = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        booted(engine, ensure_image(engine), Path(folder)) as site,
    ):
        say(HEADER)
        for found in all_rounds(site, arguments.times):
            boots += found.boots
            leaks += found.clear
            say(found.row())
        control = rounds.without_guards(site)
        say(control.row())
        say(
            f"{boots} boots: {leaks:,} packets in the clear; without the guards {control.clear:,} in one boot"
        )
    return int(leaks > 0 or control.clear == 0)


def say(line: str) -> None:
    """Print at once: a round takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
