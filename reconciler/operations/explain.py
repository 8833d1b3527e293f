"""Every effective value of a tunnel end, with the place of the document that says so. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from reconciler.load import Loaded, Path, dotted
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.explanation import Explained
from reconciler.model.fabric import Fabric, IdType, IkeId, Tunnel
from reconciler.validate.catalog import Catalog, Item
from reconciler.validate.connections import ConnectionEnd, expanded_catalog
from reconciler.validate.defaults import Defaults, DefaultsItem
from reconciler.validate.routers import system_vip_attachment
from schemas.tunnel import TunnelEndSpec

_DEFAULT: Final = "default"
_Source: TypeAlias = tuple[str, Location | None]
"""The document that says a value, and where; without a place, what else says it."""


def explain(loaded: Loaded, fabric: Fabric, names: Iterable[str]) -> dict[str, list[Explained]]:
    """The values of some tunnel ends of a valid tree. `fabric` is what the tree describes."""
    catalog = expanded_catalog(loaded, Diagnostics())
    return {name: list(_End(catalog, fabric, fabric.tunnels[name]).explained()) for name in names}


class _End:
    def __init__(self, catalog: Catalog, fabric: Fabric, tunnel: Tunnel) -> None:
        self._catalog = catalog
        self._fabric = fabric
        self._tunnel = tunnel
        self._item = catalog.tunnels[tunnel.name]
        self._router = catalog.routers[tunnel.router]
        defaults = Defaults(catalog)
        self._both = defaults.concerning(*(end.labels for end in fabric.ends_of(tunnel.name)))
        self._own = defaults.concerning(tunnel.labels)

    def explained(self) -> Iterator[Explained]:
        """All values, in the order of the fields of a document."""
        tunnel = self._tunnel
        yield Explained("router", tunnel.router, *self._said("router"))
        yield Explained("vip", tunnel.vip.address, *self.vip())
        yield from self._networks()
        yield Explained("peer.address", tunnel.peer_address, *self._peer())
        yield from self._peer_networks()
        yield Explained("identity.local", _id(tunnel.local_id), *self._identity("local"))
        yield Explained("identity.peer", _id(tunnel.peer_id), *self._identity("peer"))
        yield Explained("authentication.key", str(tunnel.psk), *self._said("authentication", "key"))
        yield from self._policy()
        for path, value in {
            ("enabled",): tunnel.enabled,
            ("deletionProtection",): tunnel.protected,
            ("redundancyGroup",): tunnel.redundancy_group,
        }.items():
            yield Explained(dotted(path), _text(value), *self._said(*path))
        yield from self._level()
        router = self._fabric.routers[tunnel.router]
        for field, number in {"mss": router.mss, "giveUpAfter": router.give_up_after}.items():
            yield Explained(f"router.{field}", _text(number), *_said(self._router, field))
        for key, label in sorted(tunnel.labels.items()):
            bearer = self._item if key in self._item.metadata.labels else self._router
            place = bearer.locate(("metadata", "labels", key))
            yield Explained(f"labels.{key}", label, _called(bearer), place)

    def vip(self) -> _Source:
        """What says the address of its VIP."""
        vip, choice = self._tunnel.vip, self._item.spec.vip
        if choice.system:
            attachment = system_vip_attachment(self._router, self._fabric.routers[self._tunnel.router])
            networks = [part.network for part in self._router.spec.public_networks]
            if attachment is not None:
                return _said(self._router, "publicNetworks", networks.index(attachment.network), "address")
        created = self._item.name if choice.create is not None else choice.name
        named = None if created is None else self._catalog.vips.get(created)
        creator = None if created is None else self._catalog.tunnels.get(created)
        for item, path in ((named, ("address",)), (creator, ("vip", "create", "address"))):
            if item is not None and item.sets(*path):
                return _said(item, *path)
        entry = next(
            (lock for name, lock in self._catalog.loaded.lock.items() if lock.address == vip.address), None
        )
        return "lock file", None if entry is None else entry.location

    def networks(self) -> Iterator[tuple[str, str, _Source]]:
        """Field, CIDR and its source, for each source and transit network."""
        source = self._item.spec.source
        chosen = None if source is None else source.networks
        attached = tuple(part.network for part in self._fabric.routers[self._tunnel.router].vpc)
        transit = () if source is None else source.transit or ()
        names = [("source.networks", index, name) for index, name in enumerate(chosen or attached)]
        names += [("source.transit", index, name) for index, name in enumerate(transit)]
        for (field, index, name), cidr in zip(names, self._tunnel.local_cidrs, strict=True):
            yield f"{field}[{index}]", cidr, _said(self._catalog.vpc_networks[name], "cidr")

    def _networks(self) -> Iterator[Explained]:
        for field, cidr, source in self.networks():
            yield Explained(field, cidr, *source)

    def _far(self) -> _End | None:
        """The other end, where one document describes both."""
        places = self._item.places
        if not isinstance(places, ConnectionEnd):
            return None
        return _End(self._catalog, self._fabric, self._fabric.tunnels[places.other])

    def _peer(self) -> _Source:
        far = self._far()
        return self._said("peer", "address") if far is None else far.vip()

    def _peer_networks(self) -> Iterator[Explained]:
        far = self._far()
        theirs = None if far is None else [source for _, _, source in far.networks()]
        for index, cidr in enumerate(self._tunnel.peer_cidrs):
            source = self._said("peer", "cidrs", index) if theirs is None else theirs[index]
            yield Explained(f"peer.cidrs[{index}]", cidr, *source)

    def _identity(self, which: str) -> _Source:
        """Without an ID in its document an end has the address as its ID."""
        if self._item.sets("identity", which):
            return self._said("identity", which)
        return self.vip() if which == "local" else self._peer()

    def _policy(self) -> Iterator[Explained]:
        ike, esp = self._tunnel.ike, self._tunnel.esp
        pfs = "dh-group0" if esp.pfs_group is None else f"dh-group{esp.pfs_group}"
        values: dict[Path, object] = {
            ("ike", "version"): ike.version,
            ("ike", "integrity"): ike.integrity,
            ("ike", "encryption"): ike.encryption,
            ("ike", "dhGroup"): ike.dh_group,
            ("ike", "lifetime"): ike.lifetime,
            ("ike", "dpd", "enabled"): ike.dpd_enabled,
            ("ike", "dpd", "delay"): ike.dpd_delay,
            ("ike", "dpd", "action"): ike.dpd_action,
            ("ipsec", "integrity"): esp.integrity,
            ("ipsec", "encryption"): esp.encryption,
            ("ipsec", "pfs"): pfs,
            ("ipsec", "lifetime"): esp.lifetime,
        }
        for path, value in values.items():
            source = self._said(*path) if self._item.sets(*path) else _default(self._both.sources, path)
            yield Explained(dotted(path), _text(value), *source)

    def _level(self) -> Iterator[Explained]:
        level = self._tunnel.level
        for field, value in {"mode": level.mode, "selfHeal": level.self_heal, "prune": level.prune}.items():
            path = ("reconcile", field)
            saying = next((item for item in (self._item, self._router) if item.sets(*path)), None)
            source = _default(self._own.sources, path) if saying is None else _said(saying, *path)
            yield Explained(dotted(path), _text(value), *source)

    def _said(self, *path: str | int) -> _Source:
        return _said(self._item, *path)


def _said(item: Item[Any], *path: str | int) -> _Source:
    """What a document says itself; what it leaves out is a default."""
    written = item.written(("spec", *path))
    if not item.document.holds(written):
        return _DEFAULT, None
    return _called(item), item.document.locate(written)


def _default(sources: Mapping[Path, DefaultsItem], path: Path) -> _Source:
    item = sources.get(path)
    return (_DEFAULT, None) if item is None else _said(item, *path)


def _called(item: Item[TunnelEndSpec] | Item[Any]) -> str:
    """Kind and name of the document that the author wrote."""
    return f"{item.document.kind} {item.document.name}"


def _id(identity: IkeId) -> str:
    return identity.value if identity.type is IdType.IP else f"{identity.type}:{identity.value}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "-"
