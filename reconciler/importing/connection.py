"""One connection -> what a document would say of it, or every reason why none can. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.facets.swanctl_conf import Section
from reconciler.importing.sources import Source
from reconciler.importing.words import (
    Algorithms,
    HeldKey,
    NotImportable,
    identity,
    listed,
    matching,
    proposal,
    seconds,
)
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import IdType, IkeId
from reconciler.model.router_config import PREFIX, IkeSa
from reconciler.model.secret import Secret
from schemas.addresses import is_address

_FIXED = "tunnelwright sets it by itself"
_IKE_TAKEN = frozenset(
    {
        "version",
        "local_addrs",
        "remote_addrs",
        "proposals",
        "rekey_time",
        "reauth_time",
        "dpd_delay",
        "aggressive",
    }
)
_IKE_DROPPED = frozenset(
    {
        "over_time",
        "rand_time",
        "mobike",
        "unique",
        "keyingtries",
        "fragmentation",
        "dpd_timeout",
        "send_cert",
        "send_certreq",
        "dscp",
        "pull",
    }
)
_IKE_REFUSED = {
    "encap": "forced UDP encapsulation is no field of the service",
    "if_id_in": "route-based tunnels are not supported",
    "if_id_out": "route-based tunnels are not supported",
    "local_port": "only the usual ports are supported",
    "remote_port": "only the usual ports are supported",
    "pools": "pools of virtual addresses are not supported",
    "vips": "virtual addresses from the peer are not supported",
    "ppk_id": "post-quantum pre-shared keys are not supported",
    "childless": "childless initiation is not supported",
    "mediation": "mediation is not supported",
}
_CHILD_TAKEN = frozenset({"local_ts", "remote_ts", "esp_proposals", "rekey_time", "dpd_action", "mode"})
_CHILD_DROPPED = frozenset(
    {
        "life_time",
        "rand_time",
        "rekey_bytes",
        "life_bytes",
        "rand_bytes",
        "rekey_packets",
        "life_packets",
        "rand_packets",
        "start_action",
        "close_action",
        "replay_window",
        "inactivity",
        "ipcomp",
        "priority",
    }
)
_CHILD_REFUSED = {
    "ah_proposals": "AH is not supported; the service offers ESP",
    "sha256_96": "truncation to 96 bits is no field of the service",
    "updown": "scripts are not part of the desired state",
    "policies": "route-based tunnels are not supported",
    "if_id_in": "route-based tunnels are not supported",
    "if_id_out": "route-based tunnels are not supported",
    "mark_in": "marks are not supported",
    "mark_out": "marks are not supported",
    "interface": "route-based tunnels are not supported",
    "tfc_padding": "padding is no field of the service",
    "hw_offload": "hardware offload is no field of the service",
}
_DPD = {
    "clear": "clear",
    "none": "clear",
    "trap": "trap",
    "hold": "trap",
    "restart": "restart",
    "start": "restart",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a document would say. Lifetimes are in seconds; `key` is None when nobody tells it."""

    connection: str
    location: Location
    version: int
    local_address: str
    peer_address: str
    local_id: IkeId
    peer_id: IkeId
    ike: Algorithms
    ike_lifetime: int
    dpd_delay: int
    dpd_action: str
    esp: Algorithms
    esp_lifetime: int
    local_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    key: Secret | None


@dataclass(slots=True)
class _Reader:
    """One section on the way: every finding is collected."""

    section: Section
    found: Diagnostics
    told: bool
    """Whether a person chose what is written: only then is it worth a word that it is not taken over."""
    refused: bool = False

    def text(self, word: str, default: str = "") -> str:
        """A setting's text."""
        entry = self.section.entries.get(word)
        return default if entry is None or entry.text is None else entry.text

    def at(self, word: str) -> Location:
        """Where a setting stands."""
        entry = self.section.entries.get(word)
        return self.section.location if entry is None else entry.location

    def refuse(self, word: str, message: str, hint: str = "") -> None:
        """There can be no document."""
        self.refused = True
        self.found.error("import-refused", self.at(word), message, path=word, hint=hint)

    def drop(self, word: str, message: str) -> None:
        """The document will not say it."""
        self.found.warning("import-dropped", self.at(word), message, path=word)

    def check_words(self, taken: Iterable[str], dropped: Iterable[str], refused: Mapping[str, str]) -> None:
        """Nothing that is written is passed over in silence."""
        for word, entry in self.section.entries.items():
            if word in refused and entry.text not in {None, "no", "0"}:
                self.refuse(word, f"{word}: {refused[word]}")
            elif word in dropped and not self.told:
                continue
            elif word in dropped:
                self.drop(word, f"{word} = {entry.text or ''} is not taken over: {_FIXED}")
            elif word not in taken and word not in refused:
                self.refuse(word, f"{word} is no setting that tunnelwright knows")

    def one(self, word: str) -> str:
        """The single address of a list."""
        found = listed(self.text(word))
        if len(found) != 1 or not is_address(found[0]):
            self.refuse(word, f"{word} has to be one IPv4 address, not {', '.join(found) or 'any'}")
            return "0.0.0.0"  # noqa: S104 - nothing listens; the draft is refused
        return found[0]


def draft(source: Source, keys: Iterable[HeldKey], sas: Iterable[IkeSa], found: Diagnostics) -> Draft | None:
    """A connection as a document would say it; None when there are errors, which are in `found`.

    `sas` are those that run: where the configuration leaves a choice, what was negotiated decides.
    """
    reader = _Reader(source.section, found, told=source.written and not source.name.startswith(PREFIX))
    reader.check_words(_IKE_TAKEN, _IKE_DROPPED, _IKE_REFUSED)
    running = next((sa for sa in sas if sa.connection == source.name and sa.state == "ESTABLISHED"), None)
    local_address, peer_address = reader.one("local_addrs"), reader.one("remote_addrs")
    version = _version(reader, running)
    ike = _proposal(reader, "proposals", running.algorithms if running is not None else "")
    if ike is not None and ike.group is None:
        reader.refuse("proposals", "an IKE proposal needs a Diffie-Hellman group")
    local_id = _identity(reader, "local", local_address, None)
    peer_id = _identity(reader, "remote", peer_address, running)
    lifetime = _ike_lifetime(reader)
    dpd = _seconds(reader, "dpd_delay", "0s")
    if reader.text("aggressive", "no") == "yes":
        reader.refuse("aggressive", "Aggressive Mode is not supported: it gives away a hash of the key")
    child = _children(reader, running)
    if reader.refused or child is None or ike is None or local_id is None or peer_id is None:
        return None
    candidates = matching(
        keys,
        (local_id, IkeId(IdType.IP, local_address)),
        (peer_id, IkeId(IdType.IP, peer_address)),
    )
    if len(candidates) > 1:
        reader.refuse(
            "local", "several keys fit both identities equally well, so which is meant is not known"
        )
        return None
    if not candidates:
        reader.drop("local", "its key is not known: put it into the file that the document names")
    return Draft(
        connection=source.name,
        location=source.section.location,
        version=version,
        local_address=local_address,
        peer_address=peer_address,
        local_id=local_id,
        peer_id=peer_id,
        ike=ike,
        ike_lifetime=lifetime,
        dpd_delay=dpd,
        dpd_action=child.dpd_action,
        esp=child.esp,
        esp_lifetime=child.lifetime,
        local_cidrs=child.local_cidrs,
        peer_cidrs=child.peer_cidrs,
        key=candidates[0] if candidates else None,
    )


def _version(reader: _Reader, running: IkeSa | None) -> int:
    written = reader.text("version", "0")
    if written in {"1", "2"}:
        return int(written)
    if running is None:
        reader.refuse(
            "version",
            "both IKE versions are allowed, and no IKE_SA runs that would tell which is used",
            hint="set `version` to 1 or 2, or bring the tunnel up",
        )
        return 2
    reader.drop("version", f"both IKE versions are allowed; IKEv{running.version} runs, and is taken")
    return int(running.version)


def _proposal(reader: _Reader, word: str, negotiated: str) -> Algorithms | None:
    """The only proposal, or the negotiated one where there is a choice."""
    written = listed(reader.text(word, "default"))
    try:
        if len(written) == 1 and written[0] != "default":
            return proposal(written[0])
        if negotiated:
            reader.drop(word, f"{word} leaves a choice; what was negotiated is taken: {negotiated}")
            return proposal(negotiated)
        reader.refuse(word, f"{word} leaves a choice, and no SA runs that would tell what was chosen")
    except NotImportable as error:
        reader.refuse(word, str(error))
    return None


def _identity(reader: _Reader, end: str, address: str, running: IkeSa | None) -> IkeId | None:
    rounds = [name for name in reader.section.sections if name.startswith(end)]
    if len(rounds) != 1:
        reader.refuse(end, f"there are {len(rounds)} rounds of {end} authentication; one is supported")
        return None
    section = _Reader(reader.section.sections[rounds[0]], reader.found, reader.told)
    section.check_words({"auth", "id"}, {"round"}, {})
    if section.text("auth", "pubkey") != "psk":
        section.refuse("auth", f"{end} authentication is not by a pre-shared key")
    text = section.text("id")
    if text in {"", "%any"}:
        # charon's own identity is then its address; of a peer it takes any.
        text = running.remote_id if running is not None else address
        if end == "remote":
            section.drop("id", f"any ID of the peer is accepted; {text} is taken")
    try:
        return identity(text)
    except NotImportable as error:
        section.refuse("id", str(error))
        return None
    finally:
        reader.refused |= section.refused


def _ike_lifetime(reader: _Reader) -> int:
    """When the IKE_SA is replaced. With neither setting charon rekeys after four hours (swanctl.conf(5))."""
    reauth = _seconds(reader, "reauth_time", "0s")
    rekey = _seconds(reader, "rekey_time", "0s" if reauth else "4h")
    if reauth:
        reader.drop("reauth_time", "reauthentication interrupts; the IKE_SA is rekeyed in its place")
    return rekey or reauth or 14_400


def _seconds(reader: _Reader, word: str, default: str) -> int:
    try:
        return seconds(reader.text(word, default))
    except NotImportable as error:
        reader.refuse(word, str(error))
        return 0


@dataclass(frozen=True, slots=True)
class _Child:
    """The children as one: what they carry is every pair of the two lists."""

    local_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    esp: Algorithms
    lifetime: int
    dpd_action: str


def _children(reader: _Reader, running: IkeSa | None) -> _Child | None:
    container = reader.section.sections.get("children")
    sections = dict(container.sections) if container is not None else {}
    extra = (
        set(reader.section.sections)
        - {"children"}
        - {name for name in reader.section.sections if name.startswith(("local", "remote"))}
    )
    for name in sorted(extra):
        reader.refuse("children", f"the section {name!r} is none that tunnelwright knows")
    if not sections:
        reader.refuse("children", "it has no children")
        return None
    found = [_child(name, section, reader, running) for name, section in sections.items()]
    whole = [child for child in found if child is not None]
    if len(whole) < len(found):
        return None
    pairs = [(one, other) for child in whole for one in child.local_cidrs for other in child.peer_cidrs]
    locals_, peers = tuple(dict.fromkeys(p[0] for p in pairs)), tuple(dict.fromkeys(p[1] for p in pairs))
    policies = {(child.esp, child.lifetime, child.dpd_action) for child in whole}
    if len(policies) > 1 or set(pairs) != {(one, other) for one in locals_ for other in peers}:
        reader.refuse(
            "children", "its children are not one tunnel: their policies, or what they carry, differ"
        )
        return None
    first = whole[0]
    return _Child(locals_, peers, first.esp, first.lifetime, first.dpd_action)


def _child(name: str, section: Section, parent: _Reader, running: IkeSa | None) -> _Child | None:
    reader = _Reader(section, parent.found, parent.told)
    reader.check_words(_CHILD_TAKEN, _CHILD_DROPPED, _CHILD_REFUSED)
    if reader.text("mode", "tunnel") != "tunnel":
        reader.refuse("mode", f"{reader.text('mode')} mode is not supported; the service offers tunnel mode")
    sa = next((c for c in running.children if c.name == name), None) if running is not None else None
    esp = _proposal(reader, "esp_proposals", sa.algorithms if sa is not None else "")
    if esp is not None and esp.group is None and "esp_proposals" not in section.entries:
        reader.refuse(
            "esp_proposals",
            "whether it has perfect forward secrecy is not known: the first CHILD_SA does not show it",
            hint=f"`swanctl --rekey --child {name}` on the router, then import again",
        )
    local, peer = _cidrs(reader, "local_ts"), _cidrs(reader, "remote_ts")
    lifetime = _seconds(reader, "rekey_time", "1h")
    action = _DPD.get(reader.text("dpd_action", "clear"), "clear")
    parent.refused |= reader.refused
    if reader.refused or esp is None:
        return None
    return _Child(local, peer, esp, lifetime, action)


def _cidrs(reader: _Reader, word: str) -> tuple[str, ...]:
    found = []
    for text in listed(reader.text(word, "dynamic")):
        address, slash, length = text.partition("/")
        if not is_address(address) or (slash and not length.isdigit()):
            reader.refuse(word, f"{word}: {text} is no IPv4 network")
        else:
            found.append(text if slash else f"{text}/32")
    return tuple(found)
