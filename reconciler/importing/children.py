"""The children of a connection -> what one tunnel carries and how, or the reasons why not. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from reconciler.facets.files.swanctl_conf import Section
from reconciler.importing.negotiated import agreed
from reconciler.importing.notation import Algorithms, groups, split_list
from reconciler.importing.reader import Reader
from reconciler.importing.vocabulary import (
    CHILD,
    DPD_ACTIONS,
    SHUNTS,
    STOCK_UPDOWN,
    is_stock_updown,
)
from reconciler.model.diagnostic import Location
from reconciler.model.router_config import IkeSa
from schemas.addresses import is_address

_ESP_LIFETIME = (30, 604_800)
"""What the service allows, in seconds."""


@dataclass(frozen=True, slots=True)
class Ike:
    """What of a connection its children depend on; `dpd_delay` is in seconds."""

    version: int
    dpd_delay: int
    running: IkeSa | None
    """The IKE_SA that is up."""


@dataclass(frozen=True, slots=True)
class Children:
    """The children as one: what they carry is every pair of the two lists. Lifetimes are in seconds."""

    local_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    esp: Algorithms
    lifetime: int
    dpd_action: str
    places: Mapping[str, Location]
    """Field of the document -> where the first child says it."""

    @property
    def policy(self) -> tuple[object, ...]:
        """What all children of one tunnel have in common."""
        return self.esp, self.lifetime, self.dpd_action


def has_only_shunts(reader: Reader) -> bool:
    """Whether a connection has no tunnel, because each of its children says what passes by all tunnels or is
    dropped. That is refused."""
    found = _shunts(reader)
    if not found or len(found) < len(_sections(reader)):
        return False
    for section in found.values():
        child = reader.below(section)
        mode = child.text("mode")
        child.refuse(
            "mode",
            f"mode = {mode}: traffic that {SHUNTS[mode.lower()]} is no tunnel; the connection stays as it is",
        )
    return True


def read_children(reader: Reader, ike: Ike) -> Children | None:
    """The children of a connection; None if they are not one tunnel, which is reported."""
    container = reader.section.sections.get("children")
    if container is not None:
        children = reader.below(container)
        children.check({}, container.sections)
        reader.joined(children)
    shunts, sections = _shunts(reader), _sections(reader)
    for name, section in shunts.items():
        child = reader.below(section)
        child.refuse(
            "mode",
            f"mode = {child.text('mode')}: the child {name} is no tunnel, and would go with the connection",
            hint="move it to a connection of its own, which stays as it is",
        )
        reader.joined(child)
    if not sections:
        reader.refuse("children", "it has no children")
        return None
    found = [
        _child(name, reader.below(section), ike) for name, section in sections.items() if name not in shunts
    ]
    reader.refused |= any(child is None for child in found)
    whole = [child for child in found if child is not None]
    return _together(reader, whole) if len(whole) == len(found) else None


def _sections(reader: Reader) -> dict[str, Section]:
    container = reader.section.sections.get("children")
    return dict(container.sections) if container is not None else {}


def _shunts(reader: Reader) -> dict[str, Section]:
    return {
        name: section
        for name, section in _sections(reader).items()
        if reader.below(section).text("mode").lower() in SHUNTS
    }


def _together(reader: Reader, children: list[Children]) -> Children | None:
    pairs = [(one, other) for child in children for one in child.local_cidrs for other in child.peer_cidrs]
    locals_, peers = tuple(dict.fromkeys(p[0] for p in pairs)), tuple(dict.fromkeys(p[1] for p in pairs))
    policies = {child.policy for child in children}
    if len(policies) != 1 or set(pairs) != {(one, other) for one in locals_ for other in peers}:
        if children:
            reader.refuse("children", "its children are not one tunnel: their policies or networks differ")
        return None
    return replace(children[0], local_cidrs=locals_, peer_cidrs=peers)


def _child(name: str, reader: Reader, ike: Ike) -> Children | None:
    stock = is_stock_updown(reader.text("updown"))
    reader.check(CHILD, leave=("updown",) if stock else ())
    if stock:
        reader.drop_setting("updown", STOCK_UPDOWN)
    sas = [child for child in ike.running.children if child.name == name] if ike.running is not None else []
    # The youngest: after a rekey it shows the group.
    negotiated = sas[-1].algorithms if sas else ""
    # AH is refused already, and has no ESP proposals beside it.
    esp = None if reader.text("ah_proposals") else _esp_proposal(reader, name, negotiated)
    local, peer = _cidrs(reader, "local_ts", ike.version), _cidrs(reader, "remote_ts", ike.version)
    lifetime = _esp_lifetime(reader)
    action = DPD_ACTIONS.get(reader.text("dpd_action", "none").lower())
    if action is None:
        reader.refuse("dpd_action", f"{reader.text('dpd_action')!r} is not clear, trap or restart")
    elif action != "clear" and not ike.dpd_delay:
        why = "without dpd_delay it acts only when the peer leaves a request unanswered"
        reader.drop("dpd_action", f"dpd_action = {reader.text('dpd_action')} is not taken over: {why}")
        action = "clear"
    if reader.refused or esp is None or action is None:
        return None
    fields = {
        "source": "local_ts",
        "peer.cidrs": "remote_ts",
        "ipsec": "esp_proposals",
        "ipsec.lifetime": "rekey_time",
    }
    places = {field: reader.at(word) for field, word in fields.items()}
    return Children(local, peer, esp, lifetime, action, places)


def _esp_proposal(reader: Reader, name: str, negotiated: str) -> Algorithms | None:
    """The first CHILD_SA of an IKE_SA never shows the group, so the proposals alone have to show it."""
    found = agreed(reader, "esp_proposals", negotiated, prf=False)
    offered = split_list(reader.text("esp_proposals", "default" if reader.written else ""))
    if found is None or found.group is not None:
        return found
    possible = groups(offered)
    if len(possible) == 1:
        return replace(found, group=next(iter(possible)))
    reader.refuse(
        "esp_proposals",
        "it is unknown whether it uses perfect forward secrecy: the first CHILD_SA does not show it",
        hint=f"`swanctl --rekey --child {name}` on the router, then import again",
    )
    return None


def _esp_lifetime(reader: Reader) -> int:
    """When the CHILD_SA is replaced; where only its end is given, at ten elevenths of that (vici_config.c,
    check_lifetimes)."""
    if reader.text("life_time") and not reader.text("rekey_time"):
        return int(reader.seconds("life_time", 0, (34, 665_280)) / 1.1)
    if reader.text("life_time"):
        reader.drop_setting("life_time", "rekey_time says when the CHILD_SA is replaced")
    return reader.seconds("rekey_time", 3600, _ESP_LIFETIME)


def _cidrs(reader: Reader, word: str, version: int) -> tuple[str, ...]:
    """The networks of a list of selectors, without the bits beyond a prefix, which charon masks too
    (traffic_selector.c, traffic_selector_create_from_subnet). IKEv1 carries one selector of each side."""
    found = []
    for text in split_list(reader.text(word, "dynamic")):
        address, slash, length = text.partition("/")
        if (
            not is_address(address)
            or (slash and not re.fullmatch("[0-9]{1,2}", length))
            or int(length or 32) > 32
        ):
            reader.refuse(word, f"{word}: {text[:80]} is not an IPv4 network")
            continue
        network = str(IPv4Network((address, int(length or 32)), strict=False))
        if not network.startswith(f"{address}/"):
            reader.drop(
                word, f"{word}: {text} has bits set beyond its prefix length; charon reads it as {network}"
            )
        found.append(network)
    if version == 1 and len(found) > 1:
        rest = ", ".join(found[1:])
        reader.drop(
            word,
            f"{word}: IKEv1 carries one selector of each side, so {rest} has no SA, and is not taken over",
        )
        return (found[0],)
    return tuple(dict.fromkeys(found))
