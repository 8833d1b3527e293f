"""What each operation of a plan does at its router."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias, assert_never

from reconciler.apply.establish import Ending, establish, terminate
from reconciler.apply.host_addresses import change_addresses
from reconciler.apply.way_back import frame
from reconciler.apply.widen import widen
from reconciler.facets.boot import charon
from reconciler.model.operation import (
    AddAddress,
    Arm,
    ChangeFirewall,
    CloseSurplus,
    Confirm,
    Establish,
    LoadConnection,
    LoadSecret,
    RecordAddress,
    RemoveAddress,
    RemoveFile,
    RemoveOwned,
    SetAside,
    SetSysctls,
    Switch,
    Terminate,
    TidyRecord,
    UnloadConnection,
    UnloadSecret,
    Widen,
    WriteFile,
    WriteOwned,
)
from reconciler.model.swanctl import plain
from reconciler.routers.protocol import Router, Vici

Together: TypeAlias = Switch | WriteFile | RemoveFile
"""Operations of which those of one kind share a command, or a wait."""
Alone: TypeAlias = (
    Arm
    | Confirm
    | SetSysctls
    | AddAddress
    | RemoveAddress
    | RecordAddress
    | TidyRecord
    | ChangeFirewall
    | LoadSecret
    | UnloadSecret
    | LoadConnection
    | UnloadConnection
    | Terminate
    | WriteOwned
    | RemoveOwned
    | SetAside
)
"""All others."""


def perform(router: Router, operation: Alone, ending: Ending) -> None:
    """Carry out one operation. Raises what `Router` raises."""
    match operation:
        case Arm() | Confirm():
            frame(router.host, operation)
        case SetSysctls(values):
            router.host.set_sysctls(values)
        case AddAddress() | RemoveAddress() | RecordAddress() | TidyRecord():
            change_addresses(router.host, operation)
        case ChangeFirewall():
            router.host.change_firewall(operation.document, operation.copy)
        case LoadSecret(secret, _):
            message: Mapping[str, object] = {
                "id": secret.id,
                "type": "ike",
                "data": secret.secret.reveal(),
                "owners": list(secret.owners),
            }
            router.vici.request("load-shared", message)
        case UnloadSecret(secret_id):
            router.vici.request("unload-shared", {"id": secret_id})
        case LoadConnection(name, settings, _):
            router.vici.request("load-conn", {name: plain(settings)})
        case UnloadConnection(name):
            router.vici.request("unload-conn", {"name": name})
        case WriteOwned() | RemoveOwned():
            _change_owned(router, operation)
        case SetAside(path):
            router.host.set_aside(path)
        case Terminate(connection):
            terminate(router.vici, connection, ending)
        case _:
            assert_never(operation)


def perform_together(router: Router, operations: Sequence[Together], timeout: float) -> list[str]:
    """Carry out operations of one kind; why each is not done, empty where it is. Raises what Router does."""
    switches: list[Switch] = []
    written, removed = {}, []
    for operation in operations:
        match operation:
            case WriteFile(path, content):
                written[path] = content
            case RemoveFile(path):
                removed.append(path)
            case CloseSurplus() | Widen() | Establish():
                switches.append(operation)
            case _:
                assert_never(operation)
    if written:
        router.host.write_files(written)
    if removed:
        router.host.remove_files(removed)
    return _switch(router.vici, switches, timeout) if switches else [""] * len(operations)


def _switch(vici: Vici, switches: Sequence[Switch], timeout: float) -> list[str]:
    """What is brought up shares its time; peers are asked after that. Surplus SAs are closed once the tunnels
    come to rest at both ends (`settle.py`)."""
    coming = [item for item in switches if isinstance(item, Establish)]
    reasons = dict(zip(map(id, coming), establish(vici, coming, timeout), strict=True)) if coming else {}
    return [
        widen(vici, item.connection, item.settings, timeout)
        if isinstance(item, Widen)
        else reasons.get(id(item), "")
        for item in switches
    ]


def _change_owned(router: Router, operation: WriteOwned | RemoveOwned) -> None:
    """Write or remove files, and let charon read its settings again if their file was touched."""
    paths: Collection[str]
    if isinstance(operation, WriteOwned):
        router.host.write_owned(operation.files)
        paths = operation.files
    else:
        router.host.remove_owned(operation.paths)
        paths = operation.paths
    if charon.SETTINGS in paths:
        router.vici.request("reload-settings")
