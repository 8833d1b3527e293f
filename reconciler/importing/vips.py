"""The VIP of a tunnel end that is imported: one that exists, one of its own, or one that several share.
Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.importing.connection import Draft
from reconciler.importing.documents import document_name
from reconciler.importing.yaml_text import yaml_text
from reconciler.model.fabric import Attachment, DesiredRouter, Fabric
from reconciler.validate.vips import system_vip_name
from schemas.addresses import parse_cidr
from schemas.base import API_VERSION


@dataclass(frozen=True, slots=True)
class SharedVip:
    """A VIP that gets a document, because several tunnel ends have its address."""

    name: str
    router: str
    public_network: str
    address: str

    @property
    def text(self) -> str:
        """The document."""
        placement = {"router": self.router, "publicNetwork": self.public_network, "address": self.address}
        metadata = {"name": self.name}
        return yaml_text(
            {"apiVersion": API_VERSION, "kind": "Vip", "metadata": metadata, "spec": placement},
            indented=False,
        )


def shared_vips(
    ends: Iterable[tuple[DesiredRouter, Draft]], fabric: Fabric, names: Iterable[str]
) -> dict[tuple[str, str], SharedVip]:
    """Router and address -> the VIP of several of `ends` that there is not yet. `names` are taken."""
    ends = tuple(ends)
    routers = {router.name: router for router, _ in ends}
    count = Counter((router.name, item.local_address) for router, item in ends)
    taken = {*names}
    found = {}
    for (name, address), number in count.items():
        attached = _attachment(routers[name], address)
        if number > 1 and attached is not None and _existing(name, address, fabric) is None:
            vip = SharedVip(document_name(f"{name}-{address}", taken), name, attached.network, address)
            taken.add(vip.name)
            found[name, address] = vip
    return found


def vip_of(
    item: Draft, router: DesiredRouter, fabric: Fabric, shared: Mapping[tuple[str, str], SharedVip]
) -> dict[str, object] | None:
    """`spec.vip` of a tunnel end; None if the router is attached to no network of the address."""
    existing = _existing(router.name, item.local_address, fabric)
    if existing == system_vip_name(router.name):
        return {"system": True}
    if existing is not None:
        return {"name": existing}
    if (vip := shared.get((router.name, item.local_address))) is not None:
        return {"name": vip.name}
    attached = _attachment(router, item.local_address)
    if attached is None:
        return None
    return {"create": {"publicNetwork": attached.network, "address": item.local_address}}


def _existing(router: str, address: str, fabric: Fabric) -> str | None:
    """The VIP of a router that has an address. One that was created for a tunnel may have others, too."""
    return next((vip.name for vip in fabric.vips_of(router) if vip.address == address), None)


def _attachment(router: DesiredRouter, address: str) -> Attachment | None:
    return next((part for part in router.public if parse_cidr(part.cidr).includes(address)), None)
