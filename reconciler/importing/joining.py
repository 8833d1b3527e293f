"""Two documents of tunnel ends that mirror each other -> one connection, or the reasons why not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from reconciler.importing.comments import Comment
from reconciler.load import Document, Path, dotted
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.fabric import IdType, IkeId, Tunnel
from reconciler.validate.connections import place_in_connection
from schemas.base import API_VERSION

_EDITOR = "# yaml-language-server:"
"""The line at the top of a file that is for editors."""
LOCAL: Sequence[tuple[str, str]] = (("ike", "lifetime"), ("ike", "dpd"), ("ipsec", "lifetime"))
"""What is not negotiated, so that an end may have its own."""
_COMMON: Mapping[Path, object] = {
    ("metadata", "labels"): {},
    ("spec", "authentication"): None,
    ("spec", "routing"): "policy-based",
    ("spec", "deletionProtection"): False,
    ("spec", "redundancyGroup"): None,
    ("spec", "reconcile"): {},
}
"""What a connection says for both ends -> what it is where a document does not say it."""


@dataclass(frozen=True, slots=True)
class Written:
    """The document of one end, as its author wrote it."""

    tunnel: Tunnel
    document: Document
    body: CommentedMap
    """Its values without comments."""
    comments: Sequence[Comment]

    def value(self, path: Path) -> Any:  # noqa: ANN401 - whatever the document says
        """What the document says at a path of keys; None where it says nothing."""
        found: Any = self.body
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def joined(name: str, ends: tuple[Written, Written], found: Diagnostics) -> CommentedMap | None:
    """The connection of that name; None where it cannot say what the documents say: `convert-refused`."""
    problems = [*_problems(ends, found)]
    if problems:
        return None
    first, second = ends
    metadata, spec = CommentedMap(name=name), CommentedMap()
    if labels := first.value(("metadata", "labels")):
        metadata["labels"] = labels
    description = first.value(("spec", "description"))
    one_description = (description or "") == (second.value(("spec", "description")) or "")
    if one_description and description is not None:
        spec["description"] = description
    spec["ends"] = CommentedSeq(
        _end(end, end_has_description=not one_description, other=ends[1 - index])
        for index, end in enumerate(ends)
    )
    for path, default in _COMMON.items():
        values = [end.value(path) for end in ends]
        if (
            path[0] == "spec"
            and (given := next((v for v in values if v not in (None, default)), None)) is not None
        ):
            spec[path[1]] = given
    for section in ("ike", "ipsec"):
        if policy := _policy(section, ends):
            spec[section] = policy
    if not (first.tunnel.enabled or second.tunnel.enabled):
        spec["enabled"] = False
    return CommentedMap(apiVersion=API_VERSION, kind="IPsecConnection", metadata=metadata, spec=spec)


def comments_of(ends: tuple[Written, Written], document: Document) -> Iterator[Comment]:
    """The comments of both documents, each at a field that the connection's `document` has."""
    for index, end in enumerate(ends):
        for comment in end.comments:
            if index and comment.text.startswith(_EDITOR):
                continue
            path = comment.path
            if path is not None:
                path = next(place for place in _places(path, index) if document.holds(place))
            yield Comment(path, comment.text, comment.beside)


def _places(path: Path, end: int) -> Iterator[Path]:
    """Where a connection may say what a document says at a path, the nearest first."""
    own: Path = ("spec", "ends", end)
    if path[0] == "metadata" and len(path) > 1:
        yield (*own, *path[1:])
    elif path[0] == "spec" and len(path) > 1:
        yield (*own, *path[1:])
        place = place_in_connection(path, end)
        for length in range(len(place), 1, -1):
            yield place[:length]
    if end == 0 and (path[0] != "spec" or len(path) == 1):
        yield path
        yield path[:1]
    # A place that is there in every connection.
    yield own


def _problems(ends: tuple[Written, Written], found: Diagnostics) -> Iterator[Path]:
    """Each field that the two documents do not say alike, reported."""
    first, second = ends
    for path, default in _COMMON.items():
        here, there = (default if end.value(path) is None else end.value(path) for end in ends)
        if here != there:
            yield _refuse(first, second, path, "is not the same in both documents", found)
    for section in ("ike", "ipsec"):
        here, there = (end.value(("spec", section)) or {} for end in ends)
        for field in here.keys() & there.keys():
            if (section, field) not in LOCAL and here[field] != there[field]:
                yield _refuse(
                    first, second, ("spec", section, field), "is not the same in both documents", found
                )
    for end, other in (ends, ends[::-1]):
        path = ("spec", "peer", "managed")
        if end.value(path) is False:
            yield _refuse(end, other, path, "is false, although the peer is managed", found)


def _refuse(end: Written, other: Written, path: Path, problem: str, found: Diagnostics) -> Path:
    found.error(
        "convert-refused",
        end.document.locate(path),
        f"{end.tunnel.name!r} and {other.tunnel.name!r} stay as they are: {dotted(path)} {problem}",
        path=dotted(path),
        related=(other.document.locate(path),),
    )
    return path


def _end(written: Written, *, end_has_description: bool, other: Written) -> CommentedMap:
    end = CommentedMap(name=written.tunnel.name)
    for key in ("previousNames", "annotations"):
        if value := written.value(("metadata", key)):
            end[key] = value
    if end_has_description and (description := written.value(("spec", "description"))) is not None:
        end["description"] = description
    end["router"] = written.value(("spec", "router"))
    end["vip"] = written.value(("spec", "vip"))
    if networks := written.value(("spec", "source", "networks")):
        end["networks"] = networks
    if transit := written.value(("spec", "source", "transit")):
        end["transit"] = transit
    identity = written.value(("spec", "identity", "local"))
    if identity is not None and written.tunnel.local_id != IkeId(IdType.IP, written.tunnel.vip.address):
        end["id"] = identity
    for section, field in LOCAL:
        path = ("spec", section, field)
        value = written.value(path)
        if value is not None and value != other.value(path):
            end.setdefault(section, CommentedMap())[field] = value
    if not written.tunnel.enabled and other.tunnel.enabled:
        end["enabled"] = False
    return end


def _policy(section: str, ends: tuple[Written, Written]) -> CommentedMap:
    """What both documents say, and what one of them says where the defaults say the same for the other."""
    policies = [end.value(("spec", section)) or CommentedMap() for end in ends]
    policy = CommentedMap()
    for field in dict.fromkeys([*policies[0], *policies[1]]):
        if (section, field) in LOCAL and policies[0].get(field) != policies[1].get(field):
            continue
        policy[field] = policies[0].get(field, policies[1].get(field))
    if all(p.fa.flow_style() for p in policies if p):
        policy.fa.set_flow_style()
    return policy
