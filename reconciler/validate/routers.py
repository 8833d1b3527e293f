"""Routers: attachments that exist, addresses that are theirs alone, a system VIP on a public network."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import Attachment, DesiredRouter, DockerAccess, Level, SshAccess
from reconciler.validate.catalog import Catalog, Item, by_name
from reconciler.validate.defaults import Defaults
from reconciler.validate.levels import resolve_level
from reconciler.validate.networks import host_problem
from reconciler.validate.topologies import former_routers
from schemas.router import AccessSpec, DockerAccessSpec, NetworkAttachment, VpcRouterSpec


@dataclass(frozen=True, slots=True)
class _Place:
    """One attachment as written: field of the router's spec (`publicNetworks`) and index in it."""

    item: Item[VpcRouterSpec]
    field: str
    index: int

    @property
    def kind(self) -> str:
        return "PublicNetwork" if self.field == "publicNetworks" else "VpcNetwork"

    @property
    def written(self) -> NetworkAttachment:
        spec = self.item.spec
        return (spec.public_networks if self.field == "publicNetworks" else spec.vpc_networks)[self.index]


def resolve_routers(catalog: Catalog, defaults: Defaults, found: Diagnostics) -> dict[str, DesiredRouter]:
    """Check each router and resolve its attachments. One whose networks are not all known is left out."""
    routers: dict[str, DesiredRouter] = {}
    owners: dict[tuple[str, str, str], _Place] = {}
    for item in by_name(catalog.routers):
        public = _attachments(catalog, item, "publicNetworks", owners, found)
        vpc = _attachments(catalog, item, "vpcNetworks", owners, found)
        _check_system_vip(item, found)
        if public is None or vpc is None:
            continue
        own = defaults.concerning(item.metadata.labels)
        defaults.note(item, own, {"reconcile"}, item.spec)
        routers[item.name] = DesiredRouter(
            name=item.name,
            access=_access(item.name, item.spec.access),
            management_cidr=item.spec.management_network,
            public=public,
            vpc=vpc,
            mss=item.spec.mss,
            give_up_after=item.spec.give_up_after,
            location=item.location,
            level=resolve_level(item.spec.reconcile, resolve_level(own.spec.reconcile, Level())),
            previous_names=former_routers(item),
            labels=item.metadata.labels,
        )
    return routers


def _access(name: str, spec: AccessSpec) -> DockerAccess | SshAccess:
    if spec.ssh is not None:
        ssh = spec.ssh
        return SshAccess(
            ssh.host, ssh.port, ssh.user, ssh.identity_file or "", ssh.host_key or "", ssh.vici_socket
        )
    docker = spec.docker or DockerAccessSpec()
    return DockerAccess(docker.container or name, docker.vici_socket)


def _attachments(
    catalog: Catalog,
    item: Item[VpcRouterSpec],
    field: str,
    owners: dict[tuple[str, str, str], _Place],
    found: Diagnostics,
) -> tuple[Attachment, ...] | None:
    """The router's attachments of one kind; None when a network of them is not known."""
    written = item.spec.public_networks if field == "publicNetworks" else item.spec.vpc_networks
    resolved = [
        _attachment(catalog, _Place(item, field, index), owners, found) for index in range(len(written))
    ]
    known = tuple(part for part in resolved if part is not None)
    return known if len(known) == len(written) else None


def _attachment(
    catalog: Catalog, place: _Place, owners: dict[tuple[str, str, str], _Place], found: Diagnostics
) -> Attachment | None:
    written = place.written
    path = (place.field, place.index)
    gateway: str | None = None
    if place.kind == "PublicNetwork":
        public = catalog.find(
            catalog.public_networks, place.kind, written.network, place.item, *path, "network"
        )
        cidr = public.spec.cidr if public else None
        gateway = public.spec.gateway if public else None
    else:
        vpc = catalog.find(catalog.vpc_networks, place.kind, written.network, place.item, *path, "network")
        cidr = vpc.spec.cidr if vpc else None
    if cidr is None:
        return None
    problem = host_problem(written.address, cidr)
    if written.address == gateway:
        problem = f"is the gateway of {written.network!r}"
    if problem:
        place.item.error(
            found,
            "address-not-usable",
            f"the router's address {written.address} {problem}",
            *path,
            "address",
        )
    _check_owner(place, owners, found)
    return Attachment(written.network, cidr, written.interface, written.address)


def _check_owner(place: _Place, owners: dict[tuple[str, str, str], _Place], found: Diagnostics) -> None:
    """A router joins a network once, and an address in a network belongs to one router."""
    written = place.written
    first = owners.setdefault((place.kind, written.network, place.item.name), place)
    if first is not place:
        place.item.error(
            found,
            "duplicate-attachment",
            f"the router is already attached to {written.network!r}",
            place.field,
            place.index,
            "network",
            related=(first.item.at(first.field, first.index, "network"),),
        )
        return
    # An address cannot be a router's name, so the two kinds of key stay apart.
    owner = owners.setdefault((place.kind, written.network, written.address), place)
    if owner is not place:
        place.item.error(
            found,
            "address-taken",
            f"{written.address} already belongs to the router {owner.item.name!r}",
            place.field,
            place.index,
            "address",
            related=(owner.item.at(owner.field, owner.index, "address"),),
        )


def _check_system_vip(item: Item[VpcRouterSpec], found: Diagnostics) -> None:
    chosen = item.spec.system_vip
    attached = [attachment.network for attachment in item.spec.public_networks]
    if chosen is not None and chosen.public_network not in attached:
        item.error(
            found,
            "network-not-attached",
            f"the router is not attached to the public network {chosen.public_network!r}",
            "systemVip",
            "publicNetwork",
            allowed=", ".join(attached),
        )


def system_vip_attachment(item: Item[VpcRouterSpec], router: DesiredRouter) -> Attachment | None:
    """The attachment whose address is the router's system VIP; None when it names another network."""
    chosen = item.spec.system_vip
    if chosen is None:
        return router.public[0]
    return next((part for part in router.public if part.network == chosen.public_network), None)
