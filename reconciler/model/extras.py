"""The extras of the package: optional dependencies, and the error for a missing one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from reconciler.model.errors import TunnelwrightError

EXTRAS: Final = {
    "docker": ("docker",),
    "lab": ("docker", "git", "scapy"),
    "messages": ("apprise",),
    "page": ("starlette", "uvicorn"),
    "vault": ("hvac",),
}
"""Extra -> the packages that are imported for it alone, as pyproject.toml has them under other names."""


class ExtraMissing(TunnelwrightError):
    """What was asked for needs packages that are not installed."""


def require(extra: str) -> None:
    """Raise ExtraMissing unless the packages of an extra are installed. It imports none of them.

    To be called before the import that needs it, so that no user sees an ImportError.
    """
    lacking = [package for package in EXTRAS[extra] if find_spec(package) is None]
    if lacking:
        what = "a Python package is" if len(lacking) == 1 else "Python packages are"
        raise ExtraMissing(
            f"{what} not installed: {', '.join(lacking)}",
            hint=f"pip install 'tunnelwright[{extra}]'",
        )
