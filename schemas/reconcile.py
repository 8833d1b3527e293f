"""What reconcile runs may do by themselves. `plan` and `apply`, which a person runs, ignore it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Model

Mode = Literal["apply", "observe", "suspend"]


class TunnelReconcileSpec(Model):
    """What reconcile runs may do with a tunnel. The stricter of its two managed ends counts for both."""

    mode: Mode | None = Field(
        default=None,
        description=(
            "`apply` changes the live state to the desired state, `observe` only reports differences, "
            "`suspend` ignores them. Default: for a tunnel the value of its router, for a router the value "
            "of FabricDefaults; apply."
        ),
        examples=["observe"],
    )
    self_heal: bool | None = Field(
        default=None,
        description=("Whether drift is repaired too. Default: as for `mode`; true."),
        examples=[False],
    )


class ReconcileSpec(TunnelReconcileSpec):
    """What reconcile runs may do with a router and its tunnels."""

    prune: bool | None = Field(
        default=None,
        description=(
            "Whether a tunnel that Git no longer has is removed from its router. Default: for a router the "
            "value of FabricDefaults; true."
        ),
        examples=[False],
    )
