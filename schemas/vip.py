"""The VIP: an address of a public network that a router holds for its services."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Address, Document, Model, Name, diagnosed


class VipPlacement(Model):
    """Where a VIP's address comes from."""

    public_network: Name = Field(
        description="The public network of the address. The router is attached to it.",
        examples=["wan"],
        json_schema_extra=diagnosed("dangling-reference", "network-not-attached"),
    )
    range: Name | None = Field(
        default=None,
        description=(
            "A normal range or an address pool of that network. "
            "Without it the address comes from a normal range."
        ),
        examples=["pool"],
        json_schema_extra=diagnosed("dangling-reference"),
    )
    address: Address | None = Field(
        default=None,
        description=(
            "The address. Without it, `tunnelwright allocate` assigns a free one and records it "
            "permanently in `vips.lock.yaml`."
        ),
        examples=["203.0.113.10"],
        json_schema_extra=diagnosed(
            "address-not-usable", "address-taken", "vip-not-allocated", "vip-without-address"
        ),
    )


class VipSpec(VipPlacement):
    """A VIP."""

    router: Name = Field(
        description="The router that holds the address.",
        examples=["router-a"],
        json_schema_extra=diagnosed("dangling-reference"),
    )
    managed: bool = Field(
        default=True,
        description=(
            "False for an address that is configured on the router by other means: tunnels use it, but "
            "tunnelwright never adds it. It needs an address, which may be outside the ranges."
        ),
        examples=[True],
    )


class Vip(Document):
    """A virtual IP. Tunnels use it by name; it outlives them."""

    kind: Literal["Vip"] = Field(description="The kind of document.", examples=["Vip"])
    spec: VipSpec = Field(description="The VIP.")
