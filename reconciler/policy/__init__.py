"""Plan -> what of it may be done now: refused as a whole, put off in part, or allowed. Pure."""

from __future__ import annotations

from reconciler.policy.judge import judge
from reconciler.policy.judgement import Deferral, Judgement, Known, Override, Refusal, Withholding
from reconciler.policy.strangers import withholdings

__all__ = [
    "Deferral",
    "Judgement",
    "Known",
    "Override",
    "Refusal",
    "Withholding",
    "judge",
    "withholdings",
]
