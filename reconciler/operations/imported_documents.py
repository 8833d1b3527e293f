"""New tunnel ends -> documents that are valid in the desired state, in the shortest form; those that cannot
be are refused, each at its own place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.importing import Draft, render
from reconciler.importing.keys import key_references
from reconciler.importing.vips import SharedVip, shared_vips, vip_of
from reconciler.load import Document, Loaded
from reconciler.load.composer import compose
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location, Severity
from reconciler.model.fabric import DesiredRouter, Fabric, IdType, PskRef
from reconciler.operations.convert import convert
from reconciler.validate import validate
from reconciler.validate.connections import expanded_catalog
from reconciler.validate.owners import owners


@dataclass(frozen=True, slots=True)
class NewEnd:
    """A tunnel end that no document describes; its places are as a reader finds them."""

    router: DesiredRouter
    draft: Draft

    @property
    def words(self) -> str:
        """The connection, for a message."""
        return f"the connection {self.draft.connection!r} of the router {self.router.name!r}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where new documents go."""

    tree: Path
    folder: Path
    """One file for each router is in it."""
    loaded: Loaded
    """The documents of the tree."""
    fabric: Fabric
    """What they describe."""
    changed: Mapping[str, str]
    """File of the tree -> its text, where that is another one from now on."""

    def file(self, end: NewEnd) -> Path:
        """The file of a tunnel end."""
        return self.folder / f"{end.router.name}.yaml"

    def extended(self, texts: Mapping[str, str]) -> Loaded:
        """The documents of the tree with those of new files."""
        kept = [document for document in self.loaded.documents if document.file not in self.changed]
        return replace(self.loaded, documents=(*kept, *_composed({**texts, **self.changed})))


@dataclass(frozen=True, slots=True)
class Settled:
    """The documents of an import."""

    texts: dict[Path, str]
    """File -> what it holds."""
    files: dict[str, Path]
    """Tunnel end -> the file of its document."""
    keys: dict[str, PskRef]
    """Tunnel end -> its key."""
    findings: list[Diagnostic]
    """Of the tree with them, files named as a reader opens them: every error, and warnings of what is new."""
    valid: bool


@dataclass(slots=True)
class _Round:
    """The documents of all ends that are left."""

    ends: dict[str, str] = field(default_factory=dict)
    vips: dict[tuple[str, str], SharedVip] = field(default_factory=dict)
    keys: dict[str, PskRef] = field(default_factory=dict)


def settle(target: Target, fresh: Mapping[str, NewEnd], found: Diagnostics) -> Settled:
    """Draw up the documents of `fresh` tunnel ends, by name. One whose document would not be valid is an
    error `import-refused` in `found`, and is left out with its other end, until the rest is valid."""
    left = _with_ids_of_other_ends(fresh, target.fabric, found)
    while True:
        drawn = _drawn(target, left, found)
        refused = left.keys() - drawn.ends.keys() or _refuse_invalid(target, left, drawn, found)
        if not refused:
            break
        others = _other_ends(left)
        for name in sorted(refused):
            other = others.get(name)
            if other is not None and other not in refused:
                message = f"it is the other end of {left[name].words}, which is not imported"
                found.error(
                    "import-refused",
                    left[other].draft.location,
                    message,
                    related=(left[name].draft.location,),
                )
                del left[other]
        left = {name: end for name, end in left.items() if name not in refused}
    texts, files = _joined(target, left, drawn)
    findings, valid = _check(target, texts)
    return Settled({Path(name): text for name, text in texts.items()}, files, drawn.keys, findings, valid)


def _drawn(target: Target, left: Mapping[str, NewEnd], found: Diagnostics) -> _Round:
    """The texts of the ends that can be rendered; of one that cannot there is a finding."""
    drafts = {name: end.draft for name, end in left.items()}
    fabric = target.fabric
    names = {*fabric.tunnels, *fabric.vips, *left}
    drawn = _Round(
        vips=shared_vips(((end.router, end.draft) for end in left.values()), fabric, names),
        keys=key_references(drafts, fabric),
    )
    unmanaged = _unmanaged(target, drafts.values())
    for name, end in left.items():
        vip = vip_of(end.draft, end.router, fabric, drawn.vips)
        lone = end.draft.peer_address in unmanaged
        text = render(end.draft, name, end.router, vip, found, key=drawn.keys[name], unmanaged=lone)
        if text is not None:
            drawn.ends[name] = text
    return drawn


def _unmanaged(target: Target, drafts: Iterable[Draft]) -> frozenset[str]:
    """Peers' addresses that look like ours and are not: no tunnel leads back from there, of those that are
    described already or are about to be."""
    fabric = target.fabric
    ends = {(tunnel.vip.address, tunnel.peer_address) for tunnel in fabric.tunnels.values()}
    ends |= {(item.local_address, item.peer_address) for item in drafts}
    alone = {peer for local, peer in ends if (peer, local) not in ends}
    return frozenset(owners(expanded_catalog(target.loaded, Diagnostics()), fabric.vips, alone))


def _other_ends(ends: Mapping[str, NewEnd]) -> dict[str, str]:
    """Each end whose other end is among them, with that."""
    names = {(end.draft.local_address, end.draft.peer_address): name for name, end in ends.items()}
    back = {name: (end.draft.peer_address, end.draft.local_address) for name, end in ends.items()}
    return {name: names[addresses] for name, addresses in back.items() if addresses in names}


def _with_ids_of_other_ends(
    fresh: Mapping[str, NewEnd], fabric: Fabric, found: Diagnostics
) -> dict[str, NewEnd]:
    """The ends with their peers' IDs as those write them: charon compares names without regard to case
    (identification.c, equals_strcasecmp), and documents do not."""
    ids = {(end.vip.address, end.peer_address): end.local_id for end in fabric.tunnels.values()}
    ids |= {(e.draft.local_address, e.draft.peer_address): e.draft.local_id for e in fresh.values()}
    ends = dict(fresh)
    for name, end in fresh.items():
        item = end.draft
        other = ids.get((item.peer_address, item.local_address), item.peer_id)
        same = other.type is item.peer_id.type is not IdType.IP
        if same and other != item.peer_id and other.value.lower() == item.peer_id.value.lower():
            found.warning(
                "import-dropped",
                item.place("identity.peer"),
                f"id = {item.peer_id.value} differs from the ID of the other end only in case, which "
                f"charon does not regard; {other.value} is taken",
            )
            ends[name] = replace(end, draft=replace(item, peer_id=other))
    return ends


def _refuse_invalid(
    target: Target, left: Mapping[str, NewEnd], drawn: _Round, found: Diagnostics
) -> frozenset[str]:
    """The ends whose documents make the desired state invalid, each reported at its own place; empty where it
    is valid, or not because of them. Every document is a file of its own for this."""
    texts = dict(drawn.ends) | {vip.name: vip.text for vip in drawn.vips.values()}
    _, findings = validate(target.extended(texts))
    blamed: set[str] = set()
    for item in findings.errors:
        about = next((place.file for place in (item.location, *item.related) if place.file in texts), None)
        for name in _ends_of(about, left, drawn):
            blamed.add(name)
            whose = left[name].draft
            place = whose.place(item.path if item.location.file == name else "vip" if about != name else "")
            others = (place for place in (item.location, *item.related) if place.file != about)
            found.error(
                "import-refused",
                place,
                f"its document would not be valid: {item.message}",
                allowed=item.allowed,
                hint=item.hint,
                related=tuple(_as_found(other, left, drawn, target.tree) for other in others),
            )
    return frozenset(blamed)


def _ends_of(document: str | None, left: Mapping[str, NewEnd], drawn: _Round) -> Iterator[str]:
    """The tunnel ends that a document is about: one, or those of a VIP."""
    for name, end in left.items():
        vip = drawn.vips.get((end.router.name, end.draft.local_address))
        if name == document or (vip is not None and vip.name == document):
            yield name


def _as_found(place: Location, left: Mapping[str, NewEnd], drawn: _Round, tree: Path) -> Location:
    """A place of the tree, or of a document that is never written, as a reader finds it."""
    name = next(_ends_of(place.file, left, drawn), None)
    return left[name].draft.location if name is not None else replace(place, file=str(tree / place.file))


def _joined(
    target: Target, left: Mapping[str, NewEnd], drawn: _Round
) -> tuple[dict[str, str], dict[str, Path]]:
    """The text of each file, and the file of each end. Two ends that can be one connection are."""
    parts: dict[str, list[str]] = {}
    for name, end in left.items():
        parts.setdefault(str(target.file(end)), []).append(drawn.ends[name])
    for vip in drawn.vips.values():
        parts[str(target.folder / f"{vip.router}.yaml")].insert(0, vip.text)
    texts = {name: "---\n".join(texts) for name, texts in parts.items()}
    files = {name: target.file(end) for name, end in left.items()}
    if pairs := _other_ends(left):
        loaded = target.extended(texts)
        done = convert(loaded, validate(loaded)[0], lambda name: texts[name], pairs)
        texts = {name: text for name, text in {**texts, **done.after}.items() if text}
        files |= {end: Path(item.file) for item in done.connections for end in item.ends}
    return texts, files


def _check(target: Target, texts: Mapping[str, str]) -> tuple[list[Diagnostic], bool]:
    written = {*texts, *target.changed}
    _, found = validate(target.extended(texts))
    shown = [
        _placed(item, texts.keys(), target.tree)
        for item in found
        if item.location.file in written or item.severity is Severity.ERROR
    ]
    return shown, not found.errors


def _composed(texts: Mapping[str, str]) -> list[Document]:
    return [part for name, text in texts.items() for part in compose(text.encode(), name, Diagnostics())[0]]


def _placed(item: Diagnostic, new: Iterable[str], tree: Path) -> Diagnostic:
    """A finding with files of the tree as a reader opens them; those that are `new` are named so already."""
    places = (item.location, *item.related)
    first, *rest = (
        place if place.file in new else replace(place, file=str(tree / place.file)) for place in places
    )
    return replace(item, location=first, related=tuple(rest))
