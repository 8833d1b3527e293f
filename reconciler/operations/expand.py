"""The documents of a tree with each connection as the two documents of its ends. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.load import Loaded
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import Fabric, Tunnel
from reconciler.validate.catalog import Item
from reconciler.validate.connections import ConnectionEnd, expanded_catalog
from schemas.base import API_VERSION
from schemas.tunnel import RECONNECT, TunnelEndSpec


def expanded(loaded: Loaded, fabric: Fabric) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Each document of a valid tree, in the order of the files, with the place of the one that was written.
    `fabric` is what the tree describes."""
    catalog = expanded_catalog(loaded, Diagnostics())
    ends: dict[tuple[str, int], list[Item[TunnelEndSpec]]] = {}
    for item in catalog.tunnels.values():
        if isinstance(item.places, ConnectionEnd):
            ends.setdefault((item.document.file, item.document.index), []).append(item)
    for document in loaded.documents:
        place = document.locate()
        items = ends.get((document.file, document.index), [])
        if document.kind in {"IPsecConnection", "IPsecTopology"}:
            # Of a topology nothing is left where a connection is written for each of its pairs.
            yield from ((place, _end(item, fabric.tunnels[item.name])) for item in items)
        elif isinstance(document.data, dict):
            yield place, document.data


def _end(item: Item[TunnelEndSpec], tunnel: Tunnel) -> dict[str, Any]:
    spec = item.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if item.spec.identity.type == "name":
        addresses = {"local": tunnel.vip.address, "peer": tunnel.peer_address}
        spec["identity"] = {"type": "name", **addresses, **spec["identity"]}
    last = list(spec).index("vip") + 1
    peer = {"address": tunnel.peer_address, "cidrs": list(tunnel.peer_cidrs)}
    spec = dict([*list(spec.items())[:last], ("peer", peer), *list(spec.items())[last:]])
    metadata = item.metadata.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if tunnel.reconnect:
        metadata["annotations"] = {**item.metadata.annotations, RECONNECT: tunnel.reconnect}
    return {"apiVersion": API_VERSION, "kind": item.kind, "metadata": metadata, "spec": spec}
