"""Every kind of document, by the word in its `kind` field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.base import Document
from schemas.connection import IPsecConnection
from schemas.network import PublicNetwork, VpcNetwork
from schemas.policy import FabricDefaults
from schemas.router import VpcRouter
from schemas.safety import SafetyPolicy
from schemas.topology import IPsecTopology
from schemas.tunnel import ADOPTS, RECONNECT, IPsecTunnel
from schemas.vip import Vip

KINDS: Final[Mapping[str, type[Document]]] = {
    "PublicNetwork": PublicNetwork,
    "VpcNetwork": VpcNetwork,
    "VpcRouter": VpcRouter,
    "Vip": Vip,
    "IPsecTunnel": IPsecTunnel,
    "IPsecConnection": IPsecConnection,
    "IPsecTopology": IPsecTopology,
    "FabricDefaults": FabricDefaults,
    "SafetyPolicy": SafetyPolicy,
}

OWN_ANNOTATIONS = "tunnelwright/"
"""Annotations that begin so are read by this tool; all others are for people and for other tools."""

_RECONNECT = (
    r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}",
    "letters, digits, `.`, `_`, `:`, `+`, `-`; at most 64",
)
_ADOPTS = (
    r"(?!tw-)[^\s{}.:,=\"#]{1,128}",
    "the name of a connection that is not tunnelwright's own",
)
ANNOTATIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "IPsecTunnel": {RECONNECT: _RECONNECT, ADOPTS: _ADOPTS},
    "IPsecConnection": {RECONNECT: _RECONNECT},
}
"""Kind -> annotation of ours -> what its value looks like, as a pattern and in words."""
