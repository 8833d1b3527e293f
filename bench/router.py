"""Changes to the swanctl files of a router in the lab, made without tunnelwright."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab.session import Lab
from lab.topology import Role

_SCRIPT: Final = Path(__file__).with_name("router.sh")


def on_router(lab: Lab, router: str, action: str, *arguments: str) -> None:
    """Take one of the actions of `router.sh`, which explains them.

    Raises what `Lab.run` raises.
    """
    lab.run(Role.ROUTER, router, ["sh", "-c", _SCRIPT.read_text("utf-8"), "router", action, *arguments])
