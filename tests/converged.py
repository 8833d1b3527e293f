"""What most tests of an apply end with."""

from __future__ import annotations

from reconciler.operations.apply import Applied


def assert_converged(applied: Applied) -> None:
    """Nothing is left to do; else the failure says what, in the words of routers and charons."""
    __tracebackhide__ = True
    assert applied.converged, "not converged:\n" + "\n".join(applied.unfinished)
