"""Networks: public ones, on which VIPs live, and private ones behind a router."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import MOST_LISTED, SEQUENCE, Address, Cidr, Document, Model, Name, diagnosed


class AddressRange(Model):
    """An inclusive range of addresses."""

    name: Name = Field(
        description="Unique within the network.",
        examples=["normal"],
        json_schema_extra=diagnosed("duplicate-name"),
    )
    first: Address = Field(description="First address of the range.", examples=["203.0.113.10"])
    last: Address = Field(
        description="Last address of the range, included. Not before the first.",
        examples=["203.0.113.99"],
        json_schema_extra=diagnosed("range-reversed"),
    )


class PublicNetworkSpec(Model):
    """A public IPv4 network."""

    cidr: Cidr = Field(
        description="The network. Public networks do not overlap.",
        examples=["203.0.113.0/24"],
        json_schema_extra=diagnosed("network-overlap"),
    )
    gateway: Address | None = Field(
        default=None,
        description="The network's gateway; never used for a VIP.",
        examples=["203.0.113.1"],
        json_schema_extra=diagnosed("address-not-usable"),
    )
    normal_ranges: Annotated[tuple[AddressRange, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_LISTED,
        description="Ranges from which VIPs are taken by default.",
        examples=[[{"name": "normal", "first": "203.0.113.10", "last": "203.0.113.99"}]],
        json_schema_extra=diagnosed("range-outside-network", "range-overlap"),
    )
    address_pools: Annotated[tuple[AddressRange, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_LISTED,
        description=(
            "Ranges from which VIPs are taken only if a VIP names the pool. "
            "The first and last address of a pool are never VIPs."
        ),
        examples=[[{"name": "pool", "first": "203.0.113.128", "last": "203.0.113.159"}]],
        json_schema_extra=diagnosed("range-outside-network", "range-overlap"),
    )


class PublicNetwork(Document):
    """A public IPv4 network, with the ranges from which VIPs are taken."""

    kind: Literal["PublicNetwork"] = Field(description="The kind of document.", examples=["PublicNetwork"])
    spec: PublicNetworkSpec = Field(description="The network.")


class VpcNetworkSpec(Model):
    """A private network."""

    cidr: Cidr = Field(description="The network.", examples=["10.1.0.0/24"])


class VpcNetwork(Document):
    """A private network that is attached to a vRouter; the source of a tunnel's traffic."""

    kind: Literal["VpcNetwork"] = Field(description="The kind of document.", examples=["VpcNetwork"])
    spec: VpcNetworkSpec = Field(description="The network.")
