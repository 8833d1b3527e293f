"""Plan -> what of it may be done now: refused as a whole, deferred in part, or allowed. Pure."""

from __future__ import annotations

from reconciler.model.judgement import Deferral, Judgement, Override, Refusal, Withholding
from reconciler.policy.judge import judge
from reconciler.policy.strangers import withholdings
from reconciler.policy.units import Known, connections_of

__all__ = [
    "Deferral",
    "Judgement",
    "Known",
    "Override",
    "Refusal",
    "Withholding",
    "connections_of",
    "judge",
    "withholdings",
]
