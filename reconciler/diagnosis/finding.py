"""A finding of a diagnosis: a cause, the field of the desired state to blame, and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from reconciler.load.documents import Document, Path, dotted
from reconciler.model.diagnostic import Location, Severity
from reconciler.model.fabric import Tunnel
from reconciler.validate.connections import place_in_connection
from reconciler.validate.labels import selector_of
from reconciler.validate.topologies import place_in_topology
from schemas.label_selector import LabelSelectorSpec

NOWHERE: Final = Location("")
APPLY: Final = "run `tunnelwright apply` first, then diagnose again"
"""The hint where a router is not as desired."""
_SELECTOR: Final[Path] = ("spec", "selector")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of one document of the desired state."""

    kind: str
    name: str
    path: Path

    def __str__(self) -> str:
        return dotted(self.path)


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause. `code` is a stable kebab-case word; a warning is worth knowing and is no failure.

    `router` is where it was found, `field` what to look at in Git, `seen` charon's or the kernel's own words.
    """

    code: str
    severity: Severity
    tunnel: str
    router: str
    field: Field
    message: str
    seen: tuple[str, ...] = ()
    hint: str = ""
    location: Location = NOWHERE
    new_sas_may_help: bool = False
    """True when nothing that is known is in the way of packets through new SAs."""

    @property
    def failure(self) -> bool:
        """True when the tunnel does not do what was asked for."""
        return self.severity is Severity.ERROR

    def below(self, folder: str) -> Finding:
        """The same finding with its file named from where `folder` is named from."""
        file = f"{folder}/{self.location.file}" if self.location.file else ""
        return replace(self, location=replace(self.location, file=file))


def found(
    code: str,
    tunnel: Tunnel,
    path: str,
    message: str,
    *,
    seen: Iterable[str] = (),
    hint: str = "",
    new_sas_may_help: bool = False,
) -> Finding:
    """A failure of one tunnel end; `path` is dotted, below `spec`."""
    field = _field(tunnel, ("spec", *path.split(".")))
    return Finding(
        code,
        Severity.ERROR,
        tunnel.name,
        tunnel.router,
        field,
        message,
        tuple(dict.fromkeys(seen)),
        hint,
        new_sas_may_help=new_sas_may_help,
    )


def reconnect_may_help(findings: Iterable[Finding]) -> bool:
    """Whether new SAs may end every failure that was found. Without a failure there is nothing to repair: the
    tunnel carries by now, or nothing behind it answers."""
    failures = [finding for finding in findings if finding.failure]
    return bool(failures) and all(finding.new_sas_may_help for finding in failures)


def _field(tunnel: Tunnel, path: Path) -> Field:
    """The field of the document that describes the end: its own, or the connection's."""
    origin = tunnel.origin
    if origin is None:
        return Field("IPsecTunnel", tunnel.name, path)
    path = place_in_connection(path, origin.end)
    if origin.topology:
        return Field("IPsecTopology", origin.topology, place_in_topology(path))
    return Field(origin.kind, origin.name, path)


def locate(item: Finding, documents: Iterable[Document], labels: Iterable[Mapping[str, str]]) -> Finding:
    """The finding with the place of its field: in the document itself, else in the defaults that concern the
    tunnel, else where the document would hold it. `labels` are those of each managed end."""
    fitting = [d for d in documents if d.kind == item.field.kind and d.name == item.field.name]
    own = [d for d in fitting if d.has(item.field.path)]
    fleet = [d for d in documents if d.kind == "FabricDefaults" and d.has(item.field.path)]
    every = list(labels)
    selecting = [d for d in fleet if _selects(d, every)]
    general = [d for d in fleet if not d.holds(_SELECTOR)]
    for document in (*own, *selecting, *general, *fitting):
        return replace(item, location=document.locate(item.field.path))
    return item


def _selects(document: Document, labels: Iterable[Mapping[str, str]]) -> bool:
    """Whether a document of defaults has a label selector that selects one of the ends."""
    written = document.value(_SELECTOR)
    if written is None:
        return False
    selector = selector_of(LabelSelectorSpec.model_validate(written))
    return any(map(selector.matches, labels))
