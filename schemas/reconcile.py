"""How far reconcile runs may go by themselves. `plan` and `apply`, which a person runs, do not ask."""

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
            "`apply` makes the live state as desired, `observe` only reports the difference, `suspend` does "
            "not look at it. Default: of a tunnel that of its router, of a router that of FabricDefaults; "
            "apply."
        ),
        examples=["observe"],
    )
    self_heal: bool | None = Field(
        default=None,
        description=("Whether a difference that no commit made is mended too. Default: as for `mode`; true."),
        examples=[False],
    )


class ReconcileSpec(TunnelReconcileSpec):
    """What reconcile runs may do with a router and its tunnels."""

    prune: bool | None = Field(
        default=None,
        description=(
            "Whether a tunnel that Git no longer has is removed from its router. Default: of a router that "
            "of FabricDefaults; true."
        ),
        examples=[False],
    )
