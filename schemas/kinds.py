"""Every kind of document, by the word in its `kind` field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.base import Document
from schemas.network import PublicNetwork, VpcNetwork
from schemas.policy import FabricDefaults
from schemas.router import VpcRouter
from schemas.tunnel import IPsecTunnel
from schemas.vip import Vip

KINDS: Final[Mapping[str, type[Document]]] = {
    "PublicNetwork": PublicNetwork,
    "VpcNetwork": VpcNetwork,
    "VpcRouter": VpcRouter,
    "Vip": Vip,
    "IPsecTunnel": IPsecTunnel,
    "FabricDefaults": FabricDefaults,
}
