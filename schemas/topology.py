"""The topology: a connection for each pair of routers of a star, a mesh, or a list of pairs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from schemas.base import (
    AGE_OF_PAIR,
    FILE_OF_PAIR,
    MOST_FORMER,
    MOST_LISTED,
    SEQUENCE,
    Document,
    Labels,
    Metadata,
    Model,
    Name,
    diagnosed,
    one_of_schema,
    require_one,
)
from schemas.policy import IkePolicySpec, IpsecPolicySpec
from schemas.reconcile import TunnelReconcileSpec


class MembersSpec(Model):
    """Routers, by name or by label: exactly one of two."""

    model_config = ConfigDict(json_schema_extra=one_of_schema("routers", "labels"))

    routers: Annotated[tuple[Name, ...], SEQUENCE] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_LISTED,
        description="The routers by name.",
        examples=[["router-a", "router-b"]],
        json_schema_extra=diagnosed("ambiguous-tunnels", "dangling-reference", "duplicate-value"),
    )
    labels: Labels | None = Field(
        default=None,
        min_length=1,
        description="All routers that have each of these labels, those that are added later too.",
        examples=[{"role": "branch"}],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, "routers", "labels")
        return self


class StarSpec(Model):
    """Each hub is joined to each member. Hubs are not joined to one another."""

    hubs: MembersSpec = Field(description="The hubs.", examples=[{"routers": ["router-a"]}])
    members: MembersSpec = Field(
        description="The members. A router that is a hub is no member.",
        examples=[{"labels": {"role": "branch"}}],
    )
    transit: bool = Field(
        default=False,
        description=(
            "True lets members reach one another through the hub: the tunnel of each member carries the "
            "networks of all others too. Such a star has one hub."
        ),
        examples=[True],
        json_schema_extra=diagnosed("ambiguous-tunnels"),
    )


class TopologyVipPlacement(Model):
    """Where the VIP of each end comes from."""

    public_network: Name = Field(
        description="The public network of the address. Each router is attached to it.",
        examples=["wan"],
        json_schema_extra=diagnosed("dangling-reference", "network-not-attached"),
    )
    range: Name | None = Field(
        default=None,
        description="A range of that network. Without it the address comes from a normal range.",
        examples=["pool"],
        json_schema_extra=diagnosed("dangling-reference"),
    )


class TopologyVip(Model):
    """The local address of each end: exactly one of two."""

    model_config = ConfigDict(json_schema_extra=one_of_schema("system", "create"))

    system: Literal[True] | None = Field(
        default=None, description="The system VIP of the end's router: its own address.", examples=[True]
    )
    create: TopologyVipPlacement | None = Field(
        default=None,
        description="A VIP that is created for each end, with the name of the end.",
        examples=[{"publicNetwork": "wan"}],
        json_schema_extra=diagnosed("vip-not-allocated"),
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, "system", "create")
        return self


class TopologyKey(Model):
    """The source of each pair's key: exactly one of two. `{a}` and `{b}` stand for the names of the two
    routers, `{a}` for the one that sorts first."""

    model_config = ConfigDict(json_schema_extra=one_of_schema("age", "file"))

    age: Annotated[str, Field(pattern=AGE_OF_PAIR)] | None = Field(
        default=None,
        description=(
            "A file that is encrypted with age, relative to the folder of the desired state; "
            "`tunnelwright secret set --missing` writes those that are missing."
        ),
        examples=["keys/{a}--{b}.age"],
        json_schema_extra=diagnosed("duplicate-name", "key-file-missing"),
    )
    file: Annotated[str, Field(pattern=FILE_OF_PAIR, max_length=123)] | None = Field(
        default=None,
        description="Name of a file in `psk` of the controller's folder of keys; it ends in `.psk`.",
        examples=["{a}--{b}.psk"],
        json_schema_extra=diagnosed("duplicate-name"),
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, "age", "file")
        return self


class TopologyAuthenticationSpec(Model):
    """How the two ends of each pair authenticate each other."""

    mode: Literal["psk"] = Field(description="Authentication mode: a pre-shared key.", examples=["psk"])
    key: TopologyKey = Field(
        description="Reference to the key of each pair.", examples=[{"age": "keys/{a}--{b}.age"}]
    )


class IPsecTopologySpec(Model):
    """Which routers are joined, exactly one of `star`, `mesh` and `pairs`, and what their tunnels have in
    common."""

    model_config = ConfigDict(json_schema_extra=one_of_schema("star", "mesh", "pairs"))

    description: str = Field(
        default="", max_length=1024, description="For people.", examples=["All branches to the hub"]
    )
    star: StarSpec | None = Field(
        default=None,
        description="Each hub is joined to each member.",
        examples=[{"hubs": {"routers": ["router-a"]}, "members": {"labels": {"role": "branch"}}}],
    )
    mesh: MembersSpec | None = Field(
        default=None,
        description="Each of these routers is joined to each other one.",
        examples=[{"labels": {"role": "core"}}],
    )
    pairs: (
        Annotated[
            tuple[
                Annotated[tuple[Name, ...], SEQUENCE, Field(min_length=2, max_length=2)],
                ...,
            ],
            SEQUENCE,
        ]
        | None
    ) = Field(
        default=None,
        min_length=1,
        max_length=MOST_LISTED,
        description="The routers of each pair: a ring, or a part of a mesh.",
        examples=[[["router-a", "router-b"], ["router-b", "router-c"]]],
        json_schema_extra=diagnosed("dangling-reference", "duplicate-name", "duplicate-value"),
    )
    vip: TopologyVip = Field(
        description="The local address of each end.",
        examples=[{"system": True}, {"create": {"publicNetwork": "wan"}}],
    )
    authentication: TopologyAuthenticationSpec = Field(
        description="How the ends authenticate each other.",
        examples=[{"mode": "psk", "key": {"age": "keys/{a}--{b}.age"}}],
        json_schema_extra=diagnosed("secret-in-clear"),
    )
    ike: IkePolicySpec = Field(
        default_factory=IkePolicySpec, description="IKE policy of all ends.", examples=[{"dhGroup": 14}]
    )
    ipsec: IpsecPolicySpec = Field(
        default_factory=IpsecPolicySpec,
        description="IPsec policy of all ends.",
        examples=[{"pfs": "dh-group14"}],
    )
    enabled: bool = Field(
        default=True,
        description="False takes all tunnels down; the routers drop their traffic instead of sending it.",
        examples=[True],
    )
    deletion_protection: bool = Field(
        default=False,
        description="True keeps all ends on their routers even if the document is removed.",
        examples=[True],
    )
    reconcile: TunnelReconcileSpec = Field(
        default_factory=TunnelReconcileSpec,
        description="What reconcile runs may do with these tunnels.",
        examples=[{"mode": "suspend"}],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, "star", "mesh", "pairs")
        return self


class TopologyMetadata(Metadata):
    """Names of a topology."""

    previous_names: Annotated[tuple[Name, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_FORMER,
        description=(
            "Names that the topology had before. The names of tunnel ends that follow from each of them "
            "count as previous names."
        ),
        examples=[["sites"]],
        json_schema_extra=diagnosed("previous-name-in-use", "too-many-names"),
    )


class IPsecTopology(Document):
    """Connections between many managed routers: one for each pair of a star, a mesh, or a list."""

    kind: Literal["IPsecTopology"] = Field(description="The kind of document.", examples=["IPsecTopology"])
    metadata: TopologyMetadata = Field(description="Names, labels and annotations.")
    spec: IPsecTopologySpec = Field(
        description="The topology.", json_schema_extra=diagnosed("no-pairs", "too-many-ends")
    )
