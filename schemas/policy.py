"""IKE and IPsec policy, as a tunnel or the fleet's defaults may set it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import NUMBER, Document, Model, diagnosed, refuse
from schemas.keys import KeyRef
from schemas.label_selector import LabelSelectorSpec
from schemas.reconcile import ReconcileSpec

Integrity = Literal["md5", "sha1", "sha256", "sha384", "sha512"]
Encryption = Literal[
    "3des",
    "aes-128",
    "aes-192",
    "aes-256",
    "aes-gcm-128",
    "aes-gcm-192",
    "aes-gcm-256",
    "chacha20-poly1305",
]
DhGroup = Annotated[
    Literal[2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32], NUMBER
]
Pfs = Literal[
    "dh-group0",
    "dh-group2",
    "dh-group5",
    "dh-group14",
    "dh-group15",
    "dh-group16",
    "dh-group17",
    "dh-group18",
    "dh-group19",
    "dh-group20",
    "dh-group21",
    "dh-group22",
    "dh-group23",
    "dh-group24",
    "dh-group25",
    "dh-group26",
    "dh-group27",
    "dh-group28",
    "dh-group29",
    "dh-group30",
    "dh-group31",
    "dh-group32",
]
_FLEET = "unless FabricDefaults sets another value"


class DpdSpec(Model):
    """Dead peer detection: what charon does if the peer no longer answers."""

    enabled: bool | None = Field(
        default=None, description=f"Whether the peer is checked. Default: true, {_FLEET}.", examples=[True]
    )
    delay: int | None = Field(
        default=None,
        ge=1,
        le=86_400,
        description=(
            "Seconds without traffic before the peer is checked. It counts as dead if it does not answer for "
            "six seconds; with IKEv1, which sends a check once, after a second check. "
            f"Default: 30, {_FLEET}."
        ),
        examples=[30],
    )
    action: Literal["restart", "clear", "trap"] | None = Field(
        default=None,
        description=(
            "What charon does with the tunnel of a dead peer: `restart` brings it up again at once; `trap` "
            "and `clear` close it, and the next packet brings it up, because every tunnel has a trap policy "
            "(`start_action = trap`). To keep a tunnel down, set `enabled: false`. "
            f"Default: restart, {_FLEET}."
        ),
        examples=["restart"],
    )


class IkePolicySpec(Model):
    """IKE policy. Every field is optional."""

    version: Annotated[Literal[1, 2], NUMBER] | None = Field(
        default=None, description=f"IKE version, as a number. Default: 2, {_FLEET}.", examples=[2]
    )
    mode: (
        Annotated[
            Literal["main"],
            refuse({"aggressive": "Aggressive mode is not supported: it reveals a hash of the key"}),
        ]
        | None
    ) = Field(
        default=None,
        description="IKEv1 negotiation mode. Only Main mode is supported; IKEv2 has no modes.",
        examples=["main"],
    )
    integrity: Integrity | None = Field(
        default=None,
        description=(
            "Authentication (integrity and PRF) algorithm; with an AEAD cipher only the PRF. "
            f"Default: sha256, {_FLEET}."
        ),
        examples=["sha256"],
        json_schema_extra=diagnosed("weak-algorithm"),
    )
    encryption: Encryption | None = Field(
        default=None,
        description=f"Encryption algorithm; IKEv1 has no AEAD ciphers for IKE. Default: aes-256, {_FLEET}.",
        examples=["aes-256"],
        json_schema_extra=diagnosed("aead-not-supported", "weak-algorithm"),
    )
    dh_group: DhGroup | None = Field(
        default=None,
        description=f"Diffie-Hellman group. 14 or above is better. Default: 2, {_FLEET}.",
        examples=[14],
        json_schema_extra=diagnosed("weak-algorithm"),
    )
    lifetime: int | None = Field(
        default=None,
        ge=60,
        le=604_800,
        description=f"Seconds until the IKE_SA is replaced. Default: 86400, {_FLEET}.",
        examples=[86_400],
    )
    dpd: DpdSpec | None = Field(
        default=None, description="Dead peer detection.", examples=[{"delay": 30, "action": "restart"}]
    )


class IpsecPolicySpec(Model):
    """IPsec policy. Every field is optional."""

    encapsulation: (
        Annotated[
            Literal["tunnel"],
            refuse({"transport": "Transport mode is not supported: tunnels join networks, not two hosts"}),
        ]
        | None
    ) = Field(
        default=None, description="Encapsulation mode. Only tunnel mode is supported.", examples=["tunnel"]
    )
    protocol: (
        Annotated[
            Literal["esp"],
            refuse({"ah": "AH is not supported: it does not encrypt, and does not pass NAT"}),
        ]
        | None
    ) = Field(default=None, description="Security protocol. Only ESP is supported.", examples=["esp"])
    integrity: Integrity | None = Field(
        default=None,
        description=f"Authentication algorithm; unused with an AEAD cipher. Default: sha256, {_FLEET}.",
        examples=["sha256"],
        json_schema_extra=diagnosed("weak-algorithm"),
    )
    encryption: Encryption | None = Field(
        default=None,
        description=f"Encryption algorithm. Default: aes-256, {_FLEET}.",
        examples=["aes-256"],
        json_schema_extra=diagnosed("weak-algorithm"),
    )
    pfs: Pfs | None = Field(
        default=None,
        description=(
            "Diffie-Hellman group for perfect forward secrecy; `dh-group0` for none. "
            f"Default: dh-group14, {_FLEET}."
        ),
        examples=["dh-group14"],
        json_schema_extra=diagnosed("weak-algorithm"),
    )
    lifetime: int | None = Field(
        default=None,
        ge=30,
        le=604_800,
        description=f"Seconds until the CHILD_SA is replaced. Default: 3600, {_FLEET}.",
        examples=[3600],
    )


class FabricDefaultsSpec(Model):
    """Defaults for every tunnel that does not set a value itself. Where two documents with a selector set a
    field of one tunnel to different values, that is an error."""

    selector: LabelSelectorSpec | None = Field(
        default=None,
        description=(
            "The tunnels and routers that the document concerns. A tunnel between two managed routers is "
            "selected by the labels of either end. Default: all; where a document with a selector sets a "
            "field too, that one counts."
        ),
        examples=[{"matchLabels": {"site": "berlin"}}],
        json_schema_extra=diagnosed("exactly-one", "second-defaults"),
    )
    ike: IkePolicySpec = Field(
        default_factory=IkePolicySpec,
        description="IKE policy of the fleet.",
        examples=[{"dhGroup": 14}],
        json_schema_extra=diagnosed("conflicting-defaults"),
    )
    ipsec: IpsecPolicySpec = Field(
        default_factory=IpsecPolicySpec,
        description="IPsec policy of the fleet.",
        examples=[{"pfs": "dh-group14"}],
        json_schema_extra=diagnosed("conflicting-defaults"),
    )
    weak_algorithms: Literal["warn", "error"] | None = Field(
        default=None,
        description=(
            "Whether setting a weak algorithm (md5, sha1, 3des, groups 2, 5 and 22 to 24) is a warning "
            "or an error. Default: warn."
        ),
        examples=["error"],
        json_schema_extra=diagnosed("conflicting-defaults"),
    )
    reconcile: ReconcileSpec = Field(
        default_factory=ReconcileSpec,
        description="What reconcile runs may do by themselves.",
        examples=[{"prune": False}],
        json_schema_extra=diagnosed("conflicting-defaults"),
    )
    fingerprint_key: KeyRef | None = Field(
        default=None,
        description=(
            "The key for the fingerprints by which a router's key is compared with the desired one. "
            "Controllers of the same routers must share it. Default: one that the controller "
            "creates for itself. A document with a selector cannot have it."
        ),
        examples=[{"age": "keys/fingerprints.age"}],
        json_schema_extra=diagnosed("refused"),
    )


class FabricDefaults(Document):
    """Defaults of the fleet, or of a part of it. At most one document of this kind has no selector."""

    kind: Literal["FabricDefaults"] = Field(description="The kind of document.", examples=["FabricDefaults"])
    spec: FabricDefaultsSpec = Field(description="The defaults.")
