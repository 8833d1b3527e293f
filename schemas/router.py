"""The VPC vRouter: the networks it joins, and the access to it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import (
    LONGEST_SOCKET_PATH,
    MOST_FORMER,
    MOST_LISTED,
    NO_KEY,
    SEQUENCE,
    SOCKET_PATH,
    Address,
    Cidr,
    Document,
    Interface,
    Metadata,
    Model,
    Name,
    diagnosed,
    one_of_schema,
    require_one,
)
from schemas.reconcile import ReconcileSpec


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

    container: Annotated[str | None, NO_KEY] = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Name of the container. Default: the router's name.",
        examples=["router-a"],
    )
    vici_socket: str = Field(
        default="/run/charon/charon.vici",
        pattern=SOCKET_PATH,
        max_length=LONGEST_SOCKET_PATH,
        description="Path of charon's VICI socket inside the container.",
        examples=["/run/charon/charon.vici"],
    )


def _host_key(text: str) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 70 ms, only where a key is given
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415

    try:
        load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise PydanticCustomError(
            "invalid_host_key", "not a complete public key", {"hint": "copy the line of the .pub file"}
        ) from None
    return text


HostKey = Annotated[
    str,
    Field(
        pattern=r"^(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?$",
        max_length=8192,
        json_schema_extra=diagnosed("invalid-host-key"),
    ),
    AfterValidator(_host_key),
]
"""A public key of sshd in OpenSSH's form (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), without host names."""


class SshAccessSpec(Model):
    """A router behind sshd. Fields that are not set come from the controller's `~/.ssh/config`."""

    host: Annotated[str, NO_KEY] = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$",
        description="The router's name or address, or an alias of the controller's `~/.ssh/config`.",
        examples=["router-a.example.net"],
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="Default: 22.", examples=[22])
    user: Annotated[str | None, NO_KEY] = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$",
        description=(
            "The account on the router: root, or one with the same privileges. Default: the controller's."
        ),
        examples=["root"],
    )
    identity_file: str | None = Field(
        default=None,
        pattern=r"^(/|~/)",
        max_length=4096,
        description=(
            "Path of a private key on the controller, without a passphrase. Default: the keys of the agent, "
            "then `~/.ssh/id_*`."
        ),
        examples=["~/.ssh/tunnelwright"],
    )
    host_key: HostKey | None = Field(
        default=None,
        description=(
            "The router's public host key, as in its `/etc/ssh/ssh_host_*_key.pub`. Default: those of the "
            "controller's `~/.ssh/known_hosts`. An unknown key is refused."
        ),
        examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"],
    )
    vici_socket: str = Field(
        default="/run/charon.vici",
        pattern=SOCKET_PATH,
        max_length=LONGEST_SOCKET_PATH,
        description="Path of charon's VICI socket on the router.",
        examples=["/run/charon.vici"],
    )


class AccessSpec(Model):
    """The access to the router: exactly one of two."""

    model_config = ConfigDict(json_schema_extra=one_of_schema("docker", "ssh"))

    docker: DockerAccessSpec | None = Field(
        default=None, description="Through a container engine.", examples=[{}]
    )
    ssh: SshAccessSpec | None = Field(
        default=None, description="By SSH.", examples=[{"host": "router-a.example.net", "user": "root"}]
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, "docker", "ssh")
        return self


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
        max_length=MOST_LISTED,
        description="The public networks that the router is attached to.",
        examples=[[{"network": "wan", "interface": "wan0", "address": "203.0.113.2"}]],
    )
    vpc_networks: Annotated[tuple[NetworkAttachment, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_LISTED,
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
    give_up_after: int = Field(
        default=6,
        ge=1,
        le=165,
        description=(
            "Seconds without an answer after which the router's charon gives up a request, a DPD check for "
            "instance. It sends a request six times in this time. This counts for all of its connections, "
            "from their next IKE_SA on."
        ),
        examples=[6],
    )
    access: AccessSpec = Field(
        default_factory=lambda: AccessSpec(docker=DockerAccessSpec()),
        description="The access to the router. Default: the container with the router's name.",
        examples=[{"docker": {"container": "router-a"}}],
    )
    reconcile: ReconcileSpec = Field(
        default_factory=ReconcileSpec,
        description="What reconcile runs may do at this router and with its tunnels.",
        examples=[{"mode": "observe"}],
    )


class RouterMetadata(Metadata):
    """Names of a router."""

    previous_names: Annotated[tuple[Name, ...], SEQUENCE] = Field(
        default=(),
        max_length=MOST_FORMER,
        description=(
            "Names that the router had before. For an end of a connection without a name of its own, the "
            "name that follows from each of them counts as a previous name; so do those of a topology."
        ),
        examples=[["router-old"]],
        json_schema_extra=diagnosed("previous-name-in-use"),
    )


class VpcRouter(Document):
    """A VPC vRouter on which tunnels end."""

    kind: Literal["VpcRouter"] = Field(description="The kind of document.", examples=["VpcRouter"])
    metadata: RouterMetadata = Field(description="Names, labels and annotations.")
    spec: VpcRouterSpec = Field(description="The router.")
