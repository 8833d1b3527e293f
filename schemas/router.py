"""The VPC vRouter: the networks it joins, and how it is reached."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import SEQUENCE, Address, Cidr, Document, Interface, Model, Name, diagnosed


class NetworkAttachment(Model):
    """One interface of the router in one network."""

    network: Name = Field(
        description="Name of the network's document.",
        examples=["wan"],
        json_schema_extra=diagnosed("dangling-reference", "duplicate-attachment", "network-overlap"),
    )
    interface: Interface = Field(description="The router's interface in it.", examples=["wan0"])
    address: Address = Field(
        description="The router's own address in it.",
        examples=["203.0.113.2"],
        json_schema_extra=diagnosed("address-not-usable", "address-taken"),
    )


class DockerAccessSpec(Model):
    """A router that runs in a container on this machine's engine."""

    container: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the container. Default: the router's name.",
        examples=["router-a"],
    )
    vici_socket: str = Field(
        default="/run/charon/charon.vici",
        pattern=r"^/",
        description="Path of charon's VICI socket inside the container.",
        examples=["/run/charon/charon.vici"],
    )


class AccessSpec(Model):
    """How the router is reached."""

    docker: DockerAccessSpec = Field(
        default_factory=DockerAccessSpec, description="Through a container engine.", examples=[{}]
    )


class SystemVip(Model):
    """Which of the router's own addresses is its system VIP."""

    public_network: Name = Field(
        description="The attached public network; the system VIP is the router's own address in it.",
        examples=["wan"],
        json_schema_extra=diagnosed("network-not-attached"),
    )


class VpcRouterSpec(Model):
    """A vRouter."""

    management_network: Cidr | None = Field(
        default=None,
        description="The network over which the router is managed. No peer CIDR may overlap it.",
        examples=["192.168.100.0/24"],
    )
    public_networks: Annotated[tuple[NetworkAttachment, ...], SEQUENCE] = Field(
        min_length=1,
        description="The public networks that the router is attached to.",
        examples=[[{"network": "wan", "interface": "wan0", "address": "203.0.113.2"}]],
    )
    vpc_networks: Annotated[tuple[NetworkAttachment, ...], SEQUENCE] = Field(
        default=(),
        description="The VPC networks that the router is attached to.",
        examples=[[{"network": "a-app", "interface": "lan0", "address": "10.1.0.1"}]],
    )
    system_vip: SystemVip | None = Field(
        default=None,
        description="The system VIP. Default: the router's own address in its first public network.",
        examples=[{"publicNetwork": "wan"}],
    )
    mss: int = Field(
        default=1360,
        ge=536,
        le=1460,
        description="TCP maximum segment size for traffic through the tunnels, in bytes.",
        examples=[1360],
    )
    access: AccessSpec = Field(
        default_factory=AccessSpec,
        description="How the router is reached. Default: the container that has the router's name.",
        examples=[{"docker": {"container": "router-a"}}],
    )


class VpcRouter(Document):
    """A VPC vRouter on which tunnels end."""

    kind: Literal["VpcRouter"] = Field(description="The kind of document.", examples=["VpcRouter"])
    spec: VpcRouterSpec = Field(description="The router.")
