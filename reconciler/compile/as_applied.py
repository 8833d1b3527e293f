"""RouterConfig -> the RouterState of a router on which it was applied and nothing has drifted since. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.facets import boot, connections, files, firewall
from reconciler.model.router_config import (
    AddressRecord,
    ChildSa,
    Connection,
    IkeSa,
    LiveFile,
    Platform,
    RouterConfig,
    RouterState,
)
from reconciler.model.swanctl import Settings, first


def as_applied(config: RouterConfig) -> RouterState:
    """What would be observed. Every tunnel is up with what it was to negotiate. What starts the router is not
    known, so it has the boot files that every router has."""
    return RouterState(
        router=config.router,
        version="",
        plugins=frozenset(),
        connections={name: connections.as_reported(c.settings) for name, c in config.connections.items()},
        secret_ids=frozenset(c.secret.id for c in config.connections.values()),
        sas=tuple(
            _running(number, connection)
            for number, (_, connection) in enumerate(sorted(config.connections.items()), start=1)
        ),
        files=_files(config),
        addresses=frozenset(config.addresses),
        firewall=firewall.as_applied(config.firewall),
        sysctls={key: max(allowed) for key, allowed in config.sysctls.items()},
        owned=boot.as_applied(boot.boot_files(config, Platform(), config.addresses)),
        record=AddressRecord(config.addresses),
    )


def _files(config: RouterConfig) -> dict[str, LiveFile]:
    owners = {files.file_name(name): connection for name, connection in config.connections.items()}
    return {
        name: LiveFile(content, files.MODE, files.said(owners[name]))
        for name, content in config.files.items()
    }


def _running(number: int, connection: Connection) -> IkeSa:
    settings = connection.settings
    children = settings["children"]
    sections = children.items() if isinstance(children, Mapping) else ()
    return IkeSa(
        id=str(number),
        connection=connection.name,
        version=str(settings["version"]),
        state="ESTABLISHED",
        local_address=first(settings, "local_addrs"),
        local_id=_id(settings, "local"),
        remote_address=first(settings, "remote_addrs"),
        remote_id=_id(settings, "remote"),
        initiator=True,
        algorithms=first(settings, "proposals"),
        age=0,
        children=tuple(
            _child(index, name, section)
            for index, (name, section) in enumerate(sections, start=1)
            if isinstance(section, Mapping)
        ),
    )


def _child(number: int, name: str, section: Settings) -> ChildSa:
    local, remote = section["local_ts"], section["remote_ts"]
    return ChildSa(
        id=str(number),
        name=name,
        state="INSTALLED",
        spi_in="",
        spi_out="",
        protocol="ESP",
        encapsulated=False,
        algorithms=first(section, "esp_proposals"),
        local_ts=local if isinstance(local, tuple) else (),
        remote_ts=remote if isinstance(remote, tuple) else (),
        bytes_in=0,
        packets_in=0,
        bytes_out=0,
        packets_out=0,
        age=0,
    )


def _id(settings: Settings, end: str) -> str:
    section = settings[end]
    return connections.printed_id(str(section["id"])) if isinstance(section, Mapping) else ""
