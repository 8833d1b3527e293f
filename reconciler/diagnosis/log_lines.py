"""Patterns of charon's log lines (strongSwan 5.9 and 6.0, log level 1) for IKEv2 and IKEv1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from reconciler.facets.connections.transforms import keyword

# What the one that refuses says. The responder knows why; the initiator only learns that.
WRONG_KEY: Final = re.compile(
    r"tried \d+ shared keys? for .*MAC mismatched"
    # IKEv1 encrypts under the key: with the wrong one the payloads are noise.
    r"|invalid (ID_V1|HASH_V1) payload length, decryption failed\?"
    r"|calculated HASH does not match HASH payload"
)
NO_KEY: Final = re.compile(r"no shared key found for ")
NO_VERSION: Final = re.compile(r"IKE version \d+ not supported|received unsupported IKE version ")
NO_CONNECTION: Final = re.compile(r"no IKE config found for ")
IKE_PROPOSALS: Final = re.compile(r"received proposals unacceptable|^no proposal found")
ESP_PROPOSALS: Final = re.compile(r"no acceptable proposal found|no matching proposal found")
SELECTORS: Final = re.compile(
    r"traffic selectors .* unacceptable|no matching CHILD_SA config found for "
    r"|no acceptable traffic selectors"
)
NO_PEER: Final = re.compile(r"no matching peer config found|no peer config found|no alternative config found")
LOOKING_FOR: Final = re.compile(
    r"looking for .*peer configs matching [^\[]*?(?:\[(?P<responder>.*)\])?\.\.\.[^\[]*\[(?P<initiator>.*)\]$"
)
OTHER_ID: Final = re.compile(
    r"IDir '(?P<said>.*)' does not match to '(?P<wanted>.*)'"
    r"|constraint check failed: identity '(?P<required>.*)' required"
)
# What the initiator learns.
REFUSED_AUTH: Final = re.compile(r"received AUTHENTICATION_FAILED")
REFUSED_IKE: Final = re.compile(r"received NO_PROPOSAL_CHOSEN (notify error|error notify)")
REFUSED_ESP: Final = re.compile(r"received NO_PROPOSAL_CHOSEN")
REFUSED_TS: Final = re.compile(r"received (TS_UNACCEPTABLE|INVALID_ID_INFORMATION)")
UNANSWERED: Final = re.compile(r"retransmit \d+ of request|giving up after \d+ retransmits")
ESTABLISHED: Final = re.compile(r"^IKE_SA .* established between ")
REKEY_FAILED: Final = re.compile(
    r"CHILD_SA rekeying failed|no CHILD_SA built|received NO_PROPOSAL_CHOSEN error"
)

_NO_CONNECTION: Final = re.compile(r"no IKE config found for ([0-9a-f.:]+)\.\.\.([0-9a-f.:]+)")
_REQUEST: Final = re.compile(r"parsed \S+ request |received retransmit of request ")
_SENT: Final = re.compile(r"sending packet: from \S+ to [^\[\s]+\[(\d{1,5})\]")
_OFFERS: Final = re.compile(r"^(received|configured) proposals: (.*)$")
_GROUP: Final = re.compile(r"(modp|ecp|curve|mlkem|ml_?kem)\w*")
_INTEGRITY: Final = re.compile(r"(md5|sha\d+|aesxcbc|aescmac|hmac\w*)(_\d+)?")

Offer: TypeAlias = Mapping[str, frozenset[str]]
"""`encryption`, `integrity`, `prf`, `group` to swanctl keywords, any of which would do."""

KINDS: Final = ("encryption", "integrity", "prf", "group")


def first(pattern: re.Pattern[str], lines: Iterable[str]) -> re.Match[str] | None:
    """The first line that says so."""
    return next((match for line in lines if (match := pattern.search(line))), None)


def matching(lines: Iterable[str], *patterns: re.Pattern[str]) -> tuple[str, ...]:
    """The lines that one of the patterns is found in."""
    return tuple(line for line in lines if any(pattern.search(line) for pattern in patterns))


def arrived(lines: Iterable[str], sender: str, port: int | None = None) -> bool:
    """True when charon has received an IKE packet from that address, at its own `port` where one is given."""
    end = "" if port is None else f"[{port}]"
    return any(
        line.startswith(f"received packet: from {sender}[") and end in line.partition(" to ")[2]
        for line in lines
    )


def answered(lines: Iterable[str], sender: str) -> bool:
    """True when a packet came from that address that is no request of the sender's own."""
    said = [*lines, ""]
    return any(
        line.startswith(f"received packet: from {sender}[") and not _REQUEST.match(following)
        for line, following in pairwise(said)
    )


def port_of(lines: Iterable[str], default: int = 500) -> int:
    """The UDP port that charon has sent its last packet to: 4500 once a NAT is detected (RFC 7296, section
    2.23)."""
    sent = [match for line in lines if (match := _SENT.match(line))]
    return int(sent[-1][1]) if sent else default


def without_connection(lines: Iterable[str], local: str) -> tuple[str, ...]:
    """The addresses from which packets came to a local one, between which charon has no connection."""
    return tuple(match[2] for line in lines if (match := _NO_CONNECTION.search(line)) and match[1] == local)


@dataclass(frozen=True, slots=True)
class RefusedProposals:
    """Proposals as a responder logs them when none will do: what was offered, what it has itself."""

    received: tuple[Offer, ...]
    configured: tuple[Offer, ...]
    lines: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of algorithm for which the two closest proposals have nothing in common."""
        pairs = [incompatible(one, other) for one in self.received for other in self.configured]
        kinds = min(pairs, key=len, default=())
        if len(kinds) > 1 and not any("group" in one for one in self.received):
            # The first CHILD_SA of an IKE_SA is offered without a group (RFC 7296, section 1.2).
            kinds = tuple(kind for kind in kinds if kind != "group")
        return kinds


def refused_proposals(lines: Iterable[str], protocol: str) -> RefusedProposals | None:
    """The last proposals of `IKE` or `ESP` that a responder has refused; None when it did not say."""
    parsed: dict[str, tuple[Offer, ...]] = {}
    shown: dict[str, str] = {}
    for line in lines:
        match = _OFFERS.match(line)
        if match is not None and match[2].startswith(f"{protocol}:"):
            parsed[match[1]] = tuple(offer(text) for text in match[2].split(", "))
            shown[match[1]] = line
    if parsed.keys() != {"received", "configured"}:
        return None
    return RefusedProposals(parsed["received"], parsed["configured"], tuple(shown.values()))


def offer(text: str) -> Offer:
    """`ESP:AES_CBC_256/HMAC_SHA2_256_128/MODP_2048/NO_EXT_SEQ` by kind, as swanctl keywords."""
    return _by_kind(keyword(part) for part in text.partition(":")[2].split("/") if "EXT_SEQ" not in part)


def configured(proposal: str) -> Offer:
    """A swanctl proposal (`aes256-sha256-modp2048`) by kind."""
    return _by_kind(proposal.split("-"))


def _by_kind(keywords: Iterable[str]) -> Offer:
    found: dict[str, frozenset[str]] = {}
    for word in keywords:
        kind = "encryption"
        if word.startswith("prf"):
            kind = "prf"
        elif _GROUP.fullmatch(word):
            kind = "group"
        elif _INTEGRITY.fullmatch(word):
            kind = "integrity"
        found[kind] = found.get(kind, frozenset()) | {word}
    return found


def incompatible(one: Offer, other: Offer) -> tuple[str, ...]:
    """The kinds that leave two offers without a common choice. A PRF that one side leaves to the integrity
    algorithm is no difference."""
    return tuple(
        kind
        for kind in KINDS
        if (mine := one.get(kind)) != (theirs := other.get(kind))
        and not (mine and theirs and mine & theirs)
        and not (kind == "prf" and not (mine and theirs))
    )


def departs(offered: Iterable[Offer], wanted: Offer) -> tuple[str, ...]:
    """The kinds in which what an end offers is not what is desired of it."""
    return tuple(
        dict.fromkeys(
            kind
            for item in offered
            for kind in KINDS
            if item.get(kind) != wanted.get(kind) and not (kind == "prf" and not wanted.get(kind))
        )
    )
