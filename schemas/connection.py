"""The connection: both ends of a tunnel between two managed routers, in one document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import (
    MOST_SELECTORS,
    SEQUENCE,
    Annotations,
    Document,
    Metadata,
    Model,
    Name,
    diagnosed,
)
from schemas.policy import DpdSpec, IkePolicySpec, IpsecPolicySpec
from schemas.reconcile import TunnelReconcileSpec
from schemas.tunnel import (
    ADOPTS,
    RECONNECT,
    AuthenticationSpec,
    Identity,
    RedundancyGroup,
    Routing,
    TunnelVip,
)


class LocalIkeSpec(Model):
    """What an end may have otherwise than the other end, because it is not negotiated."""

    lifetime: int | None = Field(
        default=None,
        ge=60,
        le=604_800,
        description="Seconds until this end replaces the IKE_SA. Default: that of the connection.",
        examples=[86_400],
    )
    dpd: DpdSpec | None = Field(
        default=None,
        description="Dead peer detection at this end, each field over that of the connection.",
        examples=[{"delay": 30, "action": "trap"}],
    )


class LocalIpsecSpec(Model):
    """What an end may have otherwise than the other end, because it is not negotiated."""

    lifetime: int | None = Field(
        default=None,
        ge=30,
        le=604_800,
        description="Seconds until this end replaces the CHILD_SA. Default: that of the connection.",
        examples=[3600],
    )


class ConnectionEndSpec(Model):
    """One of the two ends."""

    router: Name = Field(
        description="The router on which the tunnel ends. The two ends are on different routers.",
        examples=["router-a"],
        json_schema_extra=diagnosed("dangling-reference", "duplicate-value"),
    )
    vip: TunnelVip = Field(
        description="The local address: an existing VIP, the system VIP, or one created for the tunnel end.",
        examples=[{"create": {"publicNetwork": "wan"}}],
    )
    networks: Annotated[tuple[Name, ...], SEQUENCE] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_SELECTORS,
        description=(
            "VPC networks attached to the router: what this end sends from, and the other end sends to. "
            "Default: the router's VPC network, if it has exactly one."
        ),
        examples=[["a-app"]],
        json_schema_extra=diagnosed(
            "ambiguous-tunnels",
            "dangling-reference",
            "duplicate-value",
            "network-not-attached",
            "peer-cidr-not-unicast",
            "peer-cidr-overlap",
            "source-not-chosen",
        ),
    )
    transit: Annotated[tuple[Name, ...], SEQUENCE] | None = Field(
        default=None,
        max_length=MOST_SELECTORS,
        description=(
            "VPC networks behind other tunnels of the router, which the other end reaches through this one. "
            "Each of those tunnels has the other end's networks as its transit networks in turn. Default: "
            "none; in place of a pair of a star with `transit`, those that the pair would have."
        ),
        examples=[["c-app"]],
        json_schema_extra=diagnosed("dangling-reference", "duplicate-value", "transit-one-way"),
    )
    id: Identity | None = Field(
        default=None,
        description=(
            "The IKE ID of this end, 1 to 255 characters: `site-a.example`, `@site-a`, an address, or an "
            "e-mail form. Default: the VIP's address."
        ),
        examples=["site-a.example"],
    )
    name: Name | None = Field(
        default=None,
        description=(
            "The name of the tunnel end: in plans, on the router, and of a VIP that is created for it. "
            "Default: the connection's name, `-`, and the router's name."
        ),
        examples=["a-to-b"],
        json_schema_extra=diagnosed("duplicate-name"),
    )
    previous_names: Annotated[tuple[Name, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_SELECTORS,
        description=(
            "Names that the tunnel end had before. A connection with one of them is replaced without "
            "interruption; after that the list may be removed."
        ),
        examples=[["a-to-b"]],
        json_schema_extra=diagnosed("previous-name-in-use"),
    )
    annotations: Annotations = Field(
        default_factory=dict,
        description=(
            "Annotations of this end: `tunnelwright/adopts` names a connection that was configured on its "
            "router by other means, `tunnelwright/reconnect` requests one reconnect by this end."
        ),
        examples=[{ADOPTS: "net-net"}],
        json_schema_extra=diagnosed("invalid-annotation", "unknown-annotation"),
    )
    description: str | None = Field(
        default=None,
        max_length=1024,
        description="For people. Default: that of the connection.",
        examples=["Site A to site B"],
    )
    ike: LocalIkeSpec = Field(
        default_factory=LocalIkeSpec,
        description="IKE settings that are this end's own.",
        examples=[{"dpd": {"action": "trap"}}],
    )
    ipsec: LocalIpsecSpec = Field(
        default_factory=LocalIpsecSpec,
        description="IPsec settings that are this end's own.",
        examples=[{"lifetime": 3600}],
    )
    enabled: bool = Field(
        default=True,
        description=(
            "False takes this end down. The tunnel does not come up then, and the other end drops its "
            "traffic. `spec.enabled` takes both ends down."
        ),
        examples=[False],
        json_schema_extra=diagnosed("mirror-disabled"),
    )


class IPsecConnectionSpec(Model):
    """Both ends of a tunnel, and what they have in common."""

    description: str = Field(
        default="", max_length=1024, description="For people.", examples=["Site A to site B"]
    )
    ends: Annotated[tuple[ConnectionEndSpec, ...], SEQUENCE] = Field(
        min_length=2,
        max_length=2,
        description="The two ends. Their order has no meaning.",
        examples=[
            [{"router": "router-a", "vip": {"system": True}}, {"router": "router-b", "vip": {"system": True}}]
        ],
    )
    authentication: AuthenticationSpec = Field(
        description="How the ends authenticate each other.",
        examples=[{"mode": "psk", "key": {"age": "keys/site-a--site-b.age"}}],
        json_schema_extra=diagnosed("secret-in-clear"),
    )
    ike: IkePolicySpec = Field(
        default_factory=IkePolicySpec,
        description="IKE policy of both ends.",
        examples=[{"dhGroup": 14}],
    )
    ipsec: IpsecPolicySpec = Field(
        default_factory=IpsecPolicySpec,
        description="IPsec policy of both ends.",
        examples=[{"pfs": "dh-group14"}],
    )
    routing: Routing = "policy-based"
    enabled: bool = Field(
        default=True,
        description="False takes both ends down; the routers drop their traffic instead of sending it.",
        examples=[True],
    )
    deletion_protection: bool = Field(
        default=False,
        description=(
            "True keeps both ends on their routers even if the document is removed, because the routers' "
            "files record the protection. To remove or disable the tunnel, first apply it with false."
        ),
        examples=[True],
    )
    redundancy_group: RedundancyGroup = None
    reconcile: TunnelReconcileSpec = Field(
        default_factory=TunnelReconcileSpec,
        description="What reconcile runs may do with this tunnel.",
        examples=[{"mode": "suspend"}],
    )


class ConnectionMetadata(Metadata):
    """Names of a connection, and requests for one-time actions."""

    annotations: Annotations = Field(
        default_factory=dict,
        description=(
            "Free notes. `tunnelwright/reconnect` requests one reconnect of the tunnel for each new value, "
            "such as a date; the end with the lower address carries it out."
        ),
        examples=[{RECONNECT: "2026-03-01"}],
        json_schema_extra=diagnosed("invalid-annotation", "unknown-annotation"),
    )
    previous_names: Annotated[tuple[Name, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_SELECTORS,
        description=(
            "Names that the connection had before. For an end without a name of its own, the name that "
            "follows from each of them counts as a previous name."
        ),
        examples=[["berlin--lisbon"]],
        json_schema_extra=diagnosed("previous-name-in-use"),
    )


class IPsecConnection(Document):
    """Both ends of an IPsec site-to-site tunnel between two managed routers."""

    kind: Literal["IPsecConnection"] = Field(
        description="The kind of document.", examples=["IPsecConnection"]
    )
    metadata: ConnectionMetadata = Field(description="Names, labels and annotations.")
    spec: IPsecConnectionSpec = Field(description="The connection.")
