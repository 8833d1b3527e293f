"""Diagnoses tunnels, each with both of its ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.diagnosis import Finding, diagnose
from reconciler.diagnosis.finding import locate
from reconciler.load import Document
from reconciler.model.fabric import Fabric
from reconciler.model.router_config import RouterConfig
from reconciler.model.suggestion import check_known
from reconciler.observe.evidence import examine
from reconciler.operations.desired import check_every_key, compile_fabric
from reconciler.routers.fleet import Fleet
from reconciler.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One tunnel: its managed ends, and what is wrong between them, each with the field to blame."""

    tunnels: tuple[str, ...]
    findings: tuple[Finding, ...]


def diagnose_tunnels(
    fabric: Fabric,
    documents: Sequence[Document],
    store: SecretStore,
    fleet: Fleet,
    names: tuple[str, ...] = (),
    *,
    rekey: bool = False,
) -> tuple[Diagnosis, ...]:
    """Find out what is wrong with tunnels (all, when none is named), each with both of its ends. Brings up
    what is down; changes nothing that runs, save that `rekey` renews CHILD_SAs.

    Raises SecretUnavailable for a key that one of them needs, and TunnelwrightError for a name that no tunnel
    has.
    """
    names = tuple(map(fabric.tunnel_of, names))
    check_known(names, fabric.tunnels, "tunnel")
    chosen = names or tuple(fabric.tunnels)
    desired = compile_fabric(fabric, store)
    check_every_key(fabric, desired, set(chosen))
    return diagnose_compiled(fabric, desired, documents, fleet, chosen, rekey=rekey)


def diagnose_compiled(
    fabric: Fabric,
    desired: Mapping[str, RouterConfig],
    documents: Sequence[Document],
    fleet: Fleet,
    names: Iterable[str],
    *,
    rekey: bool = False,
) -> tuple[Diagnosis, ...]:
    """As `diagnose_tunnels`, of tunnels by the names of their ends, and of what was compiled before."""
    gathered = examine(fabric, desired, fleet, names, rekey=rekey)
    return tuple(
        Diagnosis(
            tuple(end.tunnel.name for end in evidence.ends),
            tuple(
                locate(item, documents, [end.tunnel.labels for end in evidence.ends])
                for item in diagnose(evidence)
            ),
        )
        for evidence in gathered
    )
