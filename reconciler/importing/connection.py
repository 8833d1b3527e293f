"""One connection -> the fields of a document, or every reason why it cannot be expressed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.facets.files.swanctl_conf import Section
from reconciler.importing.notation import (
    Algorithms,
    HeldKey,
    NotImportable,
    groups,
    identity,
    matching,
    proposal,
    seconds,
    split_list,
)
from reconciler.importing.sources import Source
from reconciler.importing.vocabulary import AUTHENTICATION, CHILD, DPD_ACTIONS, IKE, Vocabulary
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import IdType, IkeId
from reconciler.model.listing import counted
from reconciler.model.quoting import NOT_SHOWN, is_plain, quoted
from reconciler.model.router_config import PREFIX, IkeSa
from reconciler.model.secret import Secret
from reconciler.model.suggestion import did_you_mean
from schemas.addresses import is_address
from schemas.algorithms import is_aead

_FIXED = "tunnelwright sets it itself"
_IKE_LIFETIME, _ESP_LIFETIME, _DPD_DELAY = (60, 604_800), (30, 604_800), (0, 86_400)
"""What the service allows, in seconds."""
_UNTOLD = "charon does not report its ports, encapsulation, marks, interfaces or scripts: none are assumed"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a document would say. Lifetimes are in seconds; `key` is None if it is unknown."""

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
    written: bool
    """Whether it stands in a file; what charon reports lacks much."""
    reports: bool
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

    def refuse_unknown(self, word: str, known: Iterable[str]) -> None:
        """There can be no document, because a setting is unknown. Its name may be a key."""
        called, path = (word, word) if is_plain(word) else (NOT_SHOWN, "")
        message = f"{called} is not a setting that tunnelwright knows"
        self.refused = True
        self.found.error("import-refused", self.at(word), message, path=path, hint=did_you_mean(word, known))

    def drop(self, word: str, message: str) -> None:
        """The document will not say it."""
        self.found.warning("import-dropped", self.at(word), message, path=word)

    def check_words(self, known: Vocabulary) -> None:
        """Nothing that is written is passed over in silence."""
        for word, entry in self.section.entries.items():
            if word in known.refused:
                refused = known.refused[word]
                if entry.text is not None and entry.text.lower() not in refused.harmless:
                    self.refuse(word, f"{word} = {entry.text}: {refused.why}")
            elif word in known.dropped:
                if self.reports:
                    self.drop(word, f"{word} = {entry.text or ''} is not taken over: {_FIXED}")
            elif word not in known.taken:
                self.refuse_unknown(word, known.words)

    def seconds(self, word: str, default: int, allowed: tuple[int, int]) -> int:
        """A time, in seconds."""
        try:
            found = seconds(self.text(word, str(default)))
        except NotImportable as error:
            self.refuse(word, str(error))
            return default
        if not allowed[0] <= found <= allowed[1]:
            self.refuse(word, f"{word} must be {allowed[0]} to {allowed[1]} seconds, not {found}")
        return found


def draft(source: Source, keys: Iterable[HeldKey], sas: Iterable[IkeSa], found: Diagnostics) -> Draft | None:
    """A connection as a document would say it; None when there are errors, which are in `found`.

    `sas` are those that run: where the configuration leaves a choice, what was negotiated decides.
    """
    ours = source.name.startswith(PREFIX)
    reader = _Reader(source.section, found, source.written, reports=source.written and not ours)
    reader.check_words(IKE)
    if not source.written:
        reader.drop("", _UNTOLD)
    running = next((sa for sa in sas if sa.connection == source.name and sa.state == "ESTABLISHED"), None)
    local_address = _local_address(reader, running)
    peer_address = _peer_address(reader, running)
    version = _version(reader, running)
    ike = _ike_proposal(reader, running)
    if ike is not None and version == 1 and is_aead(ike.encryption):
        reader.refuse(
            "proposals", f"IKEv1 cannot negotiate {ike.encryption} for IKE (RFC 5282 is only for IKEv2)"
        )
    local_id = _identity(reader, "local", local_address)
    peer_id = _identity(reader, "remote", running.remote_id if running is not None else None)
    lifetime = _ike_lifetime(reader)
    dpd = reader.seconds("dpd_delay", 0, _DPD_DELAY)
    child = _children(reader, running)
    if reader.refused or child is None or ike is None or local_id is None or peer_id is None:
        return None
    candidates = matching(keys, local_id, peer_id)
    if version == 1 and not candidates:
        # phase1.c, lookup_shared_key: by the addresses, when the identities find none.
        candidates = matching(keys, IkeId(IdType.IP, local_address), IkeId(IdType.IP, peer_address))
    if len(candidates) > 1:
        reader.refuse("local", "several keys match both identities equally well")
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


def _local_address(reader: _Reader, running: IkeSa | None) -> str:
    found = split_list(reader.text("local_addrs", "%any"))
    if len(found) == 1 and is_address(found[0]):
        return found[0]
    written = f"local_addrs = {', '.join(found)} is not one IPv4 address"
    if running is None:
        reader.refuse("local_addrs", f"{written}, and no IKE_SA is up that shows which one is used")
        return ""
    reader.drop("local_addrs", f"{written}; the running IKE_SA's is taken: {running.local_address}")
    return running.local_address


def _peer_address(reader: _Reader, running: IkeSa | None) -> str:
    found = split_list(reader.text("remote_addrs", "%any"))
    if len(found) == 1 and is_address(found[0]):
        return found[0]
    written = f"remote_addrs = {', '.join(found)} is not one IPv4 address"
    if len(found) != 1 or re.search(r"[%/]|^[0-9.-]+$", found[0]) or running is None:
        # Of several peers, or of any, the one that is there now is not the only one.
        reader.refuse("remote_addrs", written)
        return ""
    reader.drop("remote_addrs", f"{written}; the running IKE_SA's is taken: {running.remote_address}")
    return running.remote_address


def _version(reader: _Reader, running: IkeSa | None) -> int:
    written = reader.text("version", "0")
    if written in {"1", "2"}:
        return int(written)
    if running is None:
        reader.refuse(
            "version",
            "both IKE versions are allowed, and no IKE_SA is up that shows which one is used",
            hint="set `version` to 1 or 2, or bring the tunnel up",
        )
        return 2
    reader.drop(
        "version", f"both IKE versions are allowed; IKEv{running.version} of the running IKE_SA is taken"
    )
    return int(running.version)


def _proposal(reader: _Reader, word: str, negotiated: str, *, prf: bool) -> Algorithms | None:
    """The only proposal, or the negotiated one where there is a choice. An AEAD cipher of IKE needs a `prf`:
    where none is written charon offers several."""
    written = split_list(reader.text(word, "default"))
    why = "leaves a choice"
    try:
        if len(written) == 1 and written[0] != "default":
            found = proposal(written[0])
            if found.integrity or not prf:
                return found
    except NotImportable as error:
        why = f"cannot be taken over ({error})"
    if not negotiated:
        reader.refuse(word, f"{word} {why}, and no SA is up that shows what was negotiated")
        return None
    try:
        found = proposal(negotiated)
    except NotImportable as error:
        reader.refuse(word, f"the negotiated value cannot be taken over: {error}")
        return None
    reader.drop(word, f"{word} {why}; the negotiated value is taken: {negotiated}")
    return found


def _ike_proposal(reader: _Reader, running: IkeSa | None) -> Algorithms | None:
    found = _proposal(reader, "proposals", running.algorithms if running is not None else "", prf=True)
    if found is not None and found.group is None:
        reader.refuse("proposals", "an IKE proposal needs a Diffie-Hellman group")
    return found


def _esp_proposal(reader: _Reader, name: str, negotiated: str) -> Algorithms | None:
    """The first CHILD_SA of an IKE_SA never shows the group, so the proposals alone have to show it."""
    found = _proposal(reader, "esp_proposals", negotiated, prf=False)
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


def _identity(reader: _Reader, end: str, otherwise: str | None) -> IkeId | None:
    """One end's identity; `otherwise` is it where none is written: our own is then our address
    (ike_auth.c), and the peer may have any."""
    rounds = [name for name in reader.section.sections if name.startswith(end)]
    if len(rounds) != 1:
        reader.refuse(end, f"{end} authentication has {counted(len(rounds), 'round')}; one is supported")
        return None
    section = _Reader(reader.section.sections[rounds[0]], reader.found, reader.written, reader.reports)
    section.check_words(AUTHENTICATION)
    if section.text("auth", "pubkey").lower() != "psk":
        section.refuse("auth", f"{end} authentication does not use a pre-shared key")
    text = section.text("id", "%any")
    if text in {"", "%any"}:
        if otherwise is None:
            section.refuse("id", "any ID of the peer is accepted, and no IKE_SA is up that shows its ID")
        elif end == "remote":
            section.drop(
                "id", f"any ID of the peer is accepted; that of the running IKE_SA is taken: {otherwise}"
            )
        text = otherwise or ""
    try:
        return identity(text) if text else None
    except NotImportable as error:
        section.refuse("id", str(error))
        return None
    finally:
        reader.refused |= section.refused


def _ike_lifetime(reader: _Reader) -> int:
    """When the IKE_SA is replaced. With neither setting charon rekeys after four hours (vici_config.c)."""
    reauth = reader.seconds("reauth_time", 0, (0, _IKE_LIFETIME[1]))
    rekey = reader.seconds("rekey_time", 0 if reauth else 14_400, (0, _IKE_LIFETIME[1]))
    if reauth:
        reader.drop("reauth_time", "reauthentication interrupts; the IKE_SA is rekeyed instead")
    word, found = ("rekey_time", rekey) if rekey or not reauth else ("reauth_time", reauth)
    if found < _IKE_LIFETIME[0]:
        reader.refuse(word, f"an IKE_SA must be replaced within {_IKE_LIFETIME[0]} to {_IKE_LIFETIME[1]} s")
    return found


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
        hint = did_you_mean(name, ("children", "local", "remote"))
        reader.refuse("children", f"the section {quoted(name)} is none that tunnelwright knows", hint)
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
        reader.refuse("children", "its children are not one tunnel: their policies or networks differ")
        return None
    first = whole[0]
    return _Child(locals_, peers, first.esp, first.lifetime, first.dpd_action)


def _child(name: str, section: Section, parent: _Reader, running: IkeSa | None) -> _Child | None:
    reader = _Reader(section, parent.found, parent.written, parent.reports)
    reader.check_words(CHILD)
    sas = [child for child in running.children if child.name == name] if running is not None else []
    # The youngest: after a rekey it shows the group.
    negotiated = sas[-1].algorithms if sas else ""
    esp = _esp_proposal(reader, name, negotiated)
    local, peer = _cidrs(reader, "local_ts"), _cidrs(reader, "remote_ts")
    lifetime = _esp_lifetime(reader)
    action = DPD_ACTIONS.get(reader.text("dpd_action", "none").lower())
    if action is None:
        reader.refuse("dpd_action", f"{reader.text('dpd_action')!r} is not clear, trap or restart")
    parent.refused |= reader.refused
    if reader.refused or esp is None or action is None:
        return None
    return _Child(local, peer, esp, lifetime, action)


def _esp_lifetime(reader: _Reader) -> int:
    """When the CHILD_SA is replaced; where only its end is given, at ten elevenths of that (vici_config.c,
    check_lifetimes)."""
    if reader.text("life_time") and not reader.text("rekey_time"):
        return int(reader.seconds("life_time", 0, (34, 665_280)) / 1.1)
    if reader.reports and reader.text("life_time"):
        reader.drop("life_time", f"life_time = {reader.text('life_time')} is not taken over: {_FIXED}")
    return reader.seconds("rekey_time", 3600, _ESP_LIFETIME)


def _cidrs(reader: _Reader, word: str) -> tuple[str, ...]:
    found = []
    for text in split_list(reader.text(word, "dynamic")):
        address, slash, length = text.partition("/")
        if not is_address(address) or (slash and not re.fullmatch("[0-9]{1,2}", length)):
            reader.refuse(word, f"{word}: {text[:80]} is not an IPv4 network")
        else:
            found.append(text if slash else f"{text}/32")
    return tuple(found)
