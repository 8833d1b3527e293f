"""Why a tunnel does not come up or carries nothing: evidence (`observe.evidence`) -> findings."""

from __future__ import annotations

from reconciler.diagnosis.diagnose import diagnose
from reconciler.diagnosis.evidence import End, Evidence
from reconciler.diagnosis.finding import Field, Finding, reconnect_may_help

__all__ = ["End", "Evidence", "Field", "Finding", "diagnose", "reconnect_may_help"]
