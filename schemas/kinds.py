"""Every kind of document, by the word in its `kind` field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.base import Document
from schemas.network import PublicNetwork, VpcNetwork
from schemas.policy import FabricDefaults
from schemas.router import VpcRouter
from schemas.safety import SafetyPolicy
from schemas.tunnel import ADOPTS, RECONNECT, IPsecTunnel
from schemas.vip import Vip

KINDS: Final[Mapping[str, type[Document]]] = {
    "PublicNetwork": PublicNetwork,
    "VpcNetwork": VpcNetwork,
    "VpcRouter": VpcRouter,
    "Vip": Vip,
    "IPsecTunnel": IPsecTunnel,
    "FabricDefaults": FabricDefaults,
    "SafetyPolicy": SafetyPolicy,
}

OWN_ANNOTATIONS = "tunnelwright/"
"""Annotations that begin so are read by this tool; all others are for people and for other tools."""

ANNOTATIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "IPsecTunnel": {
        RECONNECT: (
            r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}",
            "letters, digits, `.`, `_`, `:`, `+`, `-`; at most 64",
        ),
        ADOPTS: (
            r"(?!tw-)[^\s{}.:,=\"#]{1,128}",
            "the name of a connection that is not tunnelwright's own",
        ),
    }
}
"""Kind -> annotation of ours -> what its value looks like, as a pattern and in words."""
