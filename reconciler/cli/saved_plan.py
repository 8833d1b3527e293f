"""A plan in a file: the observed state and its sources, bound by digests. It contains no key material.

Applying makes the plan anew and compares: the same digest means the same commit, the same live state
and the same steps. That also makes a saved plan good for one use, since an apply changes the live state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.out_file import write_out
from reconciler.load import Loaded
from reconciler.load.bounded import read_bounded
from reconciler.model.bounds import SAVED_PLAN_BYTES
from reconciler.model.errors import PlanStale, TunnelwrightError
from reconciler.model.plan import Plan
from reconciler.report.encoding import json_text
from reconciler.report.json.plan import plan_digest, plan_objects

FORMAT = "tunnelwright-plan/1"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What `plan --out` wrote."""

    tree: Path
    rev: str | None
    desired: str
    digest: str
    lab: str | None
    target: tuple[str, ...]
    exclude: tuple[str, ...]

    def check(self, loaded: Loaded, plan: Plan) -> None:
        """Raises PlanStale when the desired state or the plan is not the saved one."""
        if loaded.digest != self.desired:
            raise PlanStale("the desired state has changed since the plan was saved", hint="make a new plan")
        if plan_digest(plan) != self.digest:
            raise PlanStale(
                "the live routers have changed since the plan was saved, or the plan was applied already",
                hint="make a new plan",
            )


def write(path: Path, saved: SavedPlan, plan: Plan) -> None:
    """Raises TunnelwrightError when the file cannot be written, or is a file of keys."""
    body = {
        "format": FORMAT,
        "tree": str(saved.tree.resolve()),
        "rev": saved.rev,
        "desired": saved.desired,
        "digest": saved.digest,
        "lab": saved.lab,
        "target": list(saved.target),
        "exclude": list(saved.exclude),
        "plan": list(plan_objects(plan)),
    }
    write_out(path, f"{json_text(body, indent=2)}\n".encode())


def read(path: Path) -> SavedPlan:
    """Raises TunnelwrightError when the file is not a saved plan."""
    content = read_bounded(path, SAVED_PLAN_BYTES)
    try:
        body = json.loads(content)
        if body["format"] != FORMAT:
            raise TunnelwrightError(f"{path} is of format {str(body['format'])[:80]!r}, not {FORMAT!r}")
        return SavedPlan(
            tree=Path(_text(body["tree"])),
            rev=_optional(body["rev"]),
            desired=_text(body["desired"]),
            digest=_text(body["digest"]),
            lab=_optional(body["lab"]),
            target=_texts(body["target"]),
            exclude=_texts(body["exclude"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        # Also what is nested too deep, and numbers of more digits than Python reads.
        raise TunnelwrightError(f"{path} is not a saved plan", hint="create one with `plan --out`") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError("a text is expected")
    return value


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    return tuple(map(_text, value))
