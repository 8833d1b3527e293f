"""The way back of a router (`reconciler/routers/scripts/arm.sh`): where it is, what a router says of it.

It is no facet, since it is compared with nothing: it is there for the time of one apply, and what the router
says of it is reported. `WAY_BACK` is the folder of what was saved, as long as the router is armed.
`WENT_BACK` says when it went back last, until a run has reported it. `CONFIRMED` names the last arming that
was confirmed, for a controller that has lost the answer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from reconciler.model.way_back import Armed, Arming, Cause, WayBack, WentBack

WAY_BACK: Final = "/var/lib/tunnelwright/confirm"
WENT_BACK: Final = "/var/lib/tunnelwright/went-back"
CONFIRMED: Final = "/var/lib/tunnelwright/confirmed"
NO_COMMIT: Final = "-"
"""Stands for the commit of a working tree."""
_ARMING: Final = r"([0-9a-f]{16}) ([!-~]{1,300}) ([0-9a-f]{1,64}) (-|[0-9a-f]{1,64}) ([0-9]{1,6})"
_ARMED = re.compile(rf"armed {_ARMING} ([0-9]{{1,6}})")
_BACK = re.compile(rf"back {_ARMING} ([a-z]{{1,20}}) ([0-9]{{1,11}})")
_PROBLEMS: Final = 20
_PROBLEM_CHARACTERS: Final = 300


def words(arming: Arming) -> tuple[str, ...]:
    """An arming as the router keeps it. No word has a space."""
    owner = arming.owner.replace(" ", "_")
    return arming.id, owner, arming.digest, arming.commit or NO_COMMIT, str(arming.seconds)


def decode(router: str, said: str) -> WayBack:
    """What a router says of its way back; nothing for most. Raises ValueError."""
    armed: Armed | None = None
    back: WentBack | None = None
    problems: list[str] = []
    for line in said.removesuffix("\n").split("\n") if said else ():
        if (match := _ARMED.fullmatch(line)) and armed is None:
            armed = Armed(router, _arming(match), int(match[6]))
        elif (match := _BACK.fullmatch(line)) and back is None and match[6] in set(Cause):
            back = WentBack(
                router, _arming(match), Cause(match[6]), datetime.fromtimestamp(int(match[7]), UTC)
            )
        elif back is not None and line.startswith("problem ") and len(problems) < _PROBLEMS:
            problems.append(line.removeprefix("problem ")[:_PROBLEM_CHARACTERS])
        else:
            raise ValueError("a line that is not about a way back")
    if back is not None and problems:
        back = WentBack(router, back.arming, back.cause, back.at, tuple(problems))
    return WayBack(armed, back)


def _arming(match: re.Match[str]) -> Arming:
    commit = "" if match[4] == NO_COMMIT else match[4]
    return Arming(match[1], match[2], match[3], commit, int(match[5]))
