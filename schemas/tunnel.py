"""The IPsec tunnel: one end of it, at one router."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import (
    MOST_SELECTORS,
    SEQUENCE,
    Address,
    Annotations,
    Cidr,
    Document,
    Metadata,
    Model,
    Name,
    diagnosed,
    one_of_schema,
    refuse,
    require_one,
)
from schemas.keys import KeyRef
from schemas.policy import IkePolicySpec, IpsecPolicySpec
from schemas.probe import MAX_PROBE_INTERVAL, MIN_PROBE_INTERVAL
from schemas.reconcile import TunnelReconcileSpec
from schemas.vip import VipPlacement

RECONNECT = "tunnelwright/reconnect"
"""The annotation that requests a reconnect."""
ADOPTS = "tunnelwright/adopts"
"""The annotation that names a connection which the tunnel takes over."""


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise PydanticCustomError(
            "invalid_id", "an ID may not contain control characters, or begin or end with spaces", {}
        )
    return text


Identity = Annotated[
    str,
    Field(min_length=1, max_length=255, json_schema_extra=diagnosed("invalid-id")),
    AfterValidator(_printable),
]
"""An IKE ID: without control characters, and without spaces at its ends."""


Routing = Annotated[
    Literal["policy-based"],
    refuse({"route-based": "route-based tunnels (VTI, XFRM interfaces) are not supported"}),
    Field(description="Routing model. Only policy-based is supported.", examples=["policy-based"]),
]
"""How packets find the tunnel."""

RedundancyGroup = Annotated[
    Name | None,
    Field(
        description=(
            "Tunnels that replace each other in a failure name the same group: one of them is interrupted "
            "only while another one of them is up, and never two at once."
        ),
        examples=["site-b-uplinks"],
    ),
]
"""The name of a group of tunnels that replace each other."""


class TunnelVip(Model):
    """The local address of the tunnel: exactly one of three."""

    model_config = ConfigDict(json_schema_extra=one_of_schema("name", "system", "create"))

    name: Name | None = Field(
        default=None,
        description="An existing VIP, on the same router.",
        examples=["shared-b"],
        json_schema_extra=diagnosed("dangling-reference", "vip-of-other-router"),
    )
    system: Literal[True] | None = Field(
        default=None, description="The router's system VIP: its own address.", examples=[True]
    )
    create: VipPlacement | None = Field(
        default=None,
        description="A VIP created for the tunnel; it has the tunnel's name.",
        examples=[{"publicNetwork": "wan"}],
        json_schema_extra=diagnosed("duplicate-name"),
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, "name", "system", "create")
        return self


class PeerSpec(Model):
    """The other end."""

    address: Address = Field(
        description=(
            "The peer's public IP address; not the tunnel's own VIP. "
            "A router has one tunnel for each VIP and peer address."
        ),
        examples=["203.0.113.20"],
        json_schema_extra=diagnosed(
            "address-not-usable", "duplicate-peer", "mirror-mismatch", "mirror-missing", "peer-is-vip"
        ),
    )
    managed: bool | None = Field(
        default=None,
        description=(
            "Whether the peer is managed here: `true` requires its tunnel in this desired state, `false` "
            "declares the peer unmanaged. Default: true if the address belongs to a VIP or a router, is in "
            "`vips.lock.yaml`, or is in a range from which VIPs are taken; otherwise false."
        ),
        examples=[False],
        json_schema_extra=diagnosed("mirror-managed"),
    )
    cidrs: Annotated[tuple[Cidr, ...], SEQUENCE] = Field(
        min_length=1,
        max_length=MOST_SELECTORS,
        description=(
            "The networks behind the peer. They must not overlap each other, the management network, "
            "or any network attached to the router."
        ),
        examples=[["10.2.0.0/24"]],
        json_schema_extra=diagnosed(
            "ambiguous-tunnels",
            "mirror-mismatch",
            "network-overlap",
            "peer-cidr-not-unicast",
            "peer-cidr-overlap",
        ),
    )


class SourceSpec(Model):
    """This end's networks."""

    networks: Annotated[tuple[Name, ...], SEQUENCE] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_SELECTORS,
        description=(
            "VPC networks attached to the router. Default: the router's VPC network, if it has exactly one."
        ),
        examples=[["a-app"]],
        json_schema_extra=diagnosed("dangling-reference", "duplicate-value", "network-not-attached"),
    )
    transit: Annotated[tuple[Name, ...], SEQUENCE] | None = Field(
        default=None,
        max_length=MOST_SELECTORS,
        description=(
            "VPC networks behind other tunnels of the router, which the peer reaches through this one. Each "
            "of those tunnels has the peer's networks as its transit networks in turn."
        ),
        examples=[["c-app"]],
        json_schema_extra=diagnosed("dangling-reference", "duplicate-value", "transit-one-way"),
    )


class AuthenticationSpec(Model):
    """How the two ends authenticate each other."""

    mode: Annotated[
        Literal["psk"],
        refuse(
            {
                "cert": "certificates are not supported; the service offers pre-shared keys",
                "pubkey": "certificates are not supported; the service offers pre-shared keys",
                "eap": "EAP is not supported; the service offers pre-shared keys",
            }
        ),
    ] = Field(description="Authentication mode: a pre-shared key.", examples=["psk"])
    key: KeyRef = Field(
        description="Reference to the key, the same key at both ends.",
        examples=[{"file": "site-a--site-b.psk"}],
    )


class IdentitySpec(Model):
    """The IKE IDs by which the ends know each other."""

    type: Literal["ip", "name"] = Field(
        default="ip",
        description="`ip`: IDs are addresses, by default those of the ends. `name`: both must be given.",
        examples=["name"],
    )
    local: Identity | None = Field(
        default=None,
        description=(
            "This end's ID, 1 to 255 characters. As a name: `site-a.example`, `@site-a`, an address, or an "
            "e-mail form. Required with `type: name`. Default: the VIP's address."
        ),
        examples=["site-a.example"],
        json_schema_extra=diagnosed("mirror-mismatch"),
    )
    peer: Identity | None = Field(
        default=None,
        description=(
            "The peer's ID, 1 to 255 characters, in the same forms. Required with `type: name`. "
            "Default: the peer's address."
        ),
        examples=["vpn@site-c.example"],
        json_schema_extra=diagnosed("mirror-mismatch"),
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [end for end in ("local", "peer") if getattr(self, end) is None]
        if self.type == "name" and missing:
            raise PydanticCustomError(
                "missing",
                "{problem}",
                {"problem": f"`type: name` needs both IDs: {' and '.join(missing)} missing"},
            )
        return self


class ProbeSpec(Model):
    """What the service probes behind an unmanaged peer."""

    target: Address = Field(
        description=(
            "An address behind the peer that answers echo requests. The service sends them through the "
            "tunnel, from the router's own address in the first of the tunnel's networks."
        ),
        examples=["10.2.0.1"],
        json_schema_extra=diagnosed("probe-target"),
    )
    interval: float | None = Field(
        default=None,
        ge=MIN_PROBE_INTERVAL,
        le=MAX_PROBE_INTERVAL,
        description="Seconds between two rounds of echo requests. Default: that of the service's settings.",
        examples=[300],
    )


class TunnelEndSpec(Model):
    """What a tunnel end has in every form. Where its peer is, only a document of its own says."""

    description: str = Field(
        default="", max_length=1024, description="For people.", examples=["Site A to site B"]
    )
    router: Name = Field(
        description="The router on which the tunnel ends.",
        examples=["router-a"],
        json_schema_extra=diagnosed("dangling-reference"),
    )
    vip: TunnelVip = Field(
        description="The local address: an existing VIP, the system VIP, or one created for the tunnel.",
        examples=[{"name": "shared-b"}, {"system": True}, {"create": {"publicNetwork": "wan"}}],
    )
    peer: PeerSpec | None = None
    probe: ProbeSpec | None = None
    source: SourceSpec | None = Field(
        default=None,
        description="This end's networks. Default: the router's VPC network, if it has exactly one.",
        examples=[{"networks": ["a-app"]}],
        json_schema_extra=diagnosed("source-not-chosen"),
    )
    authentication: AuthenticationSpec = Field(
        description="How the ends authenticate each other.",
        examples=[{"mode": "psk", "key": {"file": "site-a--site-b.psk"}}],
        json_schema_extra=diagnosed("secret-in-clear"),
    )
    identity: IdentitySpec = Field(
        default_factory=IdentitySpec, description="The IKE IDs of both ends.", examples=[{"type": "ip"}]
    )
    ike: IkePolicySpec = Field(
        default_factory=IkePolicySpec,
        description="IKE policy of this tunnel. Both ends need a proposal in common.",
        examples=[{"dhGroup": 14}],
        json_schema_extra=diagnosed("mirror-mismatch"),
    )
    ipsec: IpsecPolicySpec = Field(
        default_factory=IpsecPolicySpec,
        description="IPsec policy of this tunnel. Both ends need a proposal in common.",
        examples=[{"pfs": "dh-group14"}],
        json_schema_extra=diagnosed("mirror-mismatch"),
    )
    routing: Routing = "policy-based"
    enabled: bool = Field(
        default=True,
        description=("False takes the tunnel down; the router drops its traffic instead of sending it."),
        examples=[True],
        json_schema_extra=diagnosed("mirror-disabled"),
    )
    deletion_protection: bool = Field(
        default=False,
        description=(
            "True keeps the tunnel on its router even if its document is removed, because the router's file "
            "records the protection. To remove or disable the tunnel, first apply it with false."
        ),
        examples=[True],
    )
    redundancy_group: RedundancyGroup = None
    reconcile: TunnelReconcileSpec = Field(
        default_factory=TunnelReconcileSpec,
        description="What reconcile runs may do with this tunnel.",
        examples=[{"mode": "suspend"}],
    )


class IPsecTunnelSpec(TunnelEndSpec):
    """One end of a tunnel."""

    peer: PeerSpec = Field(
        description="The other end.", examples=[{"address": "203.0.113.20", "cidrs": ["10.2.0.0/24"]}]
    )
    probe: ProbeSpec | None = Field(
        default=None,
        description=(
            "What the service probes behind an unmanaged peer. Without it the service knows only by the "
            "counters of the CHILD_SAs whether the tunnel carries traffic. Tunnels between managed routers "
            "are probed anyway."
        ),
        examples=[{"target": "10.2.0.1"}],
        json_schema_extra=diagnosed("probe-managed"),
    )


class TunnelMetadata(Metadata):
    """Names of a tunnel, and requests for one-time actions."""

    annotations: Annotations = Field(
        default_factory=dict,
        description=(
            "Free notes. `tunnelwright/reconnect` requests one reconnect of the tunnel for each new value, "
            "such as a date. `tunnelwright/adopts` names a connection that was configured on the router by "
            "other means: the tunnel takes over its SAs without interruption."
        ),
        examples=[{RECONNECT: "2026-03-01"}, {ADOPTS: "net-net"}],
        json_schema_extra=diagnosed("invalid-annotation", "unknown-annotation"),
    )
    previous_names: Annotated[tuple[Name, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_SELECTORS,
        description=(
            "Names that the tunnel had before. A connection with one of them is replaced without "
            "interruption; after that the list may be removed."
        ),
        examples=[["berlin-lisbon"]],
        json_schema_extra=diagnosed("previous-name-in-use"),
    )


class IPsecTunnel(Document):
    """One end of an IPsec site-to-site tunnel."""

    kind: Literal["IPsecTunnel"] = Field(description="The kind of document.", examples=["IPsecTunnel"])
    metadata: TunnelMetadata = Field(description="Names, labels and annotations.")
    spec: IPsecTunnelSpec = Field(description="The tunnel.")
