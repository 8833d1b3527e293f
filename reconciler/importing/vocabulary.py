"""What becomes of each swanctl.conf setting: a field of the document, a warning, or a refusal. Pure.

Sources: strongSwan's vici_config.c (the settings of a section, their defaults, the words of a boolean) and
swanctl.conf(5). `docs/reference/import.md` has these tables; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

YES: Final = frozenset({"yes", "true", "enabled", "1"})
NO: Final = frozenset({"no", "false", "disabled", "0"})
_ZERO = frozenset({"0"})
_ROUTE_BASED = "route-based tunnels are not supported"
_MARKS = "marks are not supported"
_CERTIFICATES = "certificates are not supported"
_EAP = "EAP and XAuth are not supported"
_POOLS = "virtual addresses for peers are not supported"
_PPK = "post-quantum pre-shared keys are not supported"
_MEDIATION = "mediation is not supported"
_PORTS = "only the standard ports are supported"
_COPYING = "copying to the outer header cannot be configured"
_FWD = "further policies are not supported"


@dataclass(frozen=True, slots=True)
class Taken:
    """A setting that the document has."""

    where: str
    """The fields of an IPsecTunnel."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A setting that the document does not have; a warning names it."""

    why: str = "tunnelwright sets it itself"
    harmless: frozenset[str] = field(default_factory=frozenset)
    """Values that hold anyway, in lower case."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A setting that the service has no word for, unless its value is one that holds anyway."""

    why: str
    harmless: frozenset[str] = field(default_factory=frozenset)
    """In lower case."""
    hint: str = ""


Fate: TypeAlias = Taken | Dropped | Refused
Vocabulary: TypeAlias = Mapping[str, Fate]
"""The settings of one kind of section. A name that ends with `*` stands for all that begin so."""

_LIFETIME_OF_VOLUME = Dropped("tunnelwright limits the time of an SA, not its volume")

IKE: Final[Vocabulary] = {
    "version": Taken("ike.version"),
    "local_addrs": Taken("vip"),
    "remote_addrs": Taken("peer.address"),
    "local_port": Refused(_PORTS, frozenset({"0", "500"})),
    "remote_port": Refused(_PORTS, frozenset({"500"})),
    "proposals": Taken("ike.encryption, ike.integrity, ike.dhGroup"),
    "vips": Refused(_POOLS),
    "aggressive": Refused("Aggressive Mode is not supported: it reveals a hash of the key", NO),
    "pull": Dropped(),
    "dscp": Dropped(),
    "encap": Refused("forced UDP encapsulation is not supported", NO),
    "mobike": Dropped(harmless=NO),
    "dpd_delay": Taken("ike.dpd.enabled, ike.dpd.delay"),
    "dpd_timeout": Dropped(),
    "fragmentation": Dropped(harmless=YES),
    "childless": Refused("childless initiation is not supported", frozenset({"allow", "never"})),
    "send_certreq": Dropped(),
    "send_cert": Dropped(),
    "ocsp": Dropped(),
    "ppk_id": Refused(_PPK),
    "ppk_required": Refused(_PPK, NO),
    "keyingtries": Dropped(harmless=_ZERO),
    "unique": Dropped(harmless=frozenset({"replace"})),
    "reauth_time": Taken("ike.lifetime, if rekey_time does not say it"),
    "rekey_time": Taken("ike.lifetime"),
    "over_time": Dropped(),
    "rand_time": Dropped(),
    "pools": Refused(_POOLS),
    "if_id_in": Refused(_ROUTE_BASED, _ZERO),
    "if_id_out": Refused(_ROUTE_BASED, _ZERO),
    "mediation": Refused(_MEDIATION, NO),
    "mediated_by": Refused(_MEDIATION),
    "mediation_peer": Refused(_MEDIATION),
}
LOCAL: Final[Vocabulary] = {
    "round": Dropped("there is one round", _ZERO),
    "certs": Refused(_CERTIFICATES),
    "cert*": Refused(_CERTIFICATES),
    "pubkeys": Refused(_CERTIFICATES),
    "auth": Taken("authentication.mode"),
    "id": Taken("identity.local"),
    "eap_id": Refused(_EAP),
    "aaa_id": Refused(_EAP),
    "xauth_id": Refused(_EAP),
}
REMOTE: Final[Vocabulary] = {
    "round": Dropped("there is one round", _ZERO),
    "id": Taken("identity.peer"),
    "eap_id": Refused(_EAP),
    "groups": Refused(_CERTIFICATES),
    "cert_policy": Refused(_CERTIFICATES),
    "certs": Refused(_CERTIFICATES),
    "cert*": Refused(_CERTIFICATES),
    "cacerts": Refused(_CERTIFICATES),
    "cacert*": Refused(_CERTIFICATES),
    "ca_id": Refused(_CERTIFICATES),
    "pubkeys": Refused(_CERTIFICATES),
    "revocation": Dropped("it concerns certificates alone"),
    "auth": Taken("authentication.mode"),
}
CHILD: Final[Vocabulary] = {
    "ah_proposals": Refused("AH is not supported; use ESP"),
    "esp_proposals": Taken("ipsec.encryption, ipsec.integrity, ipsec.pfs"),
    "sha256_96": Refused("truncation to 96 bits is not supported", NO),
    "local_ts": Taken("source.networks"),
    "remote_ts": Taken("peer.cidrs"),
    "rekey_time": Taken("ipsec.lifetime"),
    "life_time": Taken("ipsec.lifetime, if rekey_time does not say it"),
    "rand_time": Dropped(),
    "rekey_bytes": _LIFETIME_OF_VOLUME,
    "life_bytes": _LIFETIME_OF_VOLUME,
    "rand_bytes": _LIFETIME_OF_VOLUME,
    "rekey_packets": _LIFETIME_OF_VOLUME,
    "life_packets": _LIFETIME_OF_VOLUME,
    "rand_packets": _LIFETIME_OF_VOLUME,
    "updown": Refused(
        "scripts are not part of the desired state",
        hint="if the tunnel works without the script, remove it, then import again",
    ),
    "hostaccess": Dropped(harmless=NO),
    "mode": Refused("only tunnel mode is supported", frozenset({"tunnel"})),
    "policies": Refused(_ROUTE_BASED, YES),
    "policies_fwd_out": Refused(_FWD, NO),
    "dpd_action": Taken("ike.dpd.action, if dpd_delay is set"),
    "ipcomp": Dropped("tunnelwright does not compress", NO),
    "inactivity": Dropped(),
    "reqid": Refused("fixed request ids are not supported", _ZERO),
    "priority": Dropped(),
    "interface": Refused(_ROUTE_BASED),
    "mark_in": Refused(_MARKS, _ZERO),
    "mark_in_sa": Refused(_MARKS, NO),
    "mark_out": Refused(_MARKS, _ZERO),
    "set_mark_in": Refused(_MARKS, _ZERO),
    "set_mark_out": Refused(_MARKS, _ZERO),
    "if_id_in": Refused(_ROUTE_BASED, _ZERO),
    "if_id_out": Refused(_ROUTE_BASED, _ZERO),
    "label": Refused("security labels are not supported"),
    "label_mode": Dropped("it concerns security labels alone"),
    "tfc_padding": Refused("padding is not supported", _ZERO),
    "replay_window": Dropped(),
    "per_cpu_sas": Refused("SAs for each processor are not supported", NO),
    "hw_offload": Refused("hardware offload is not supported", NO),
    "copy_df": Refused(_COPYING, YES),
    "copy_ecn": Refused(_COPYING, YES),
    "copy_dscp": Refused(_COPYING, frozenset({"out"})),
    "icmp": Refused("ICMP errors of other hosts are not carried", NO),
    "start_action": Dropped(harmless=frozenset({"trap", "route"})),
    "close_action": Dropped(harmless=frozenset({"none", "clear"})),
}
KEY: Final[Vocabulary] = {
    "secret": Taken("authentication.key: a reference to the file that --write-keys writes"),
    "id*": Taken("authentication.key: which connection the key is for"),
}
DPD_ACTIONS: Final = {
    "none": "clear",
    "clear": "clear",
    "trap": "trap",
    "route": "trap",
    "hold": "trap",
    "start": "restart",
    "restart": "restart",
}
SHUNTS: Final = {"pass": "passes by every tunnel", "drop": "is dropped"}
"""Modes of a child that is no tunnel, and what becomes of its traffic (shunt_manager.c)."""
_STOCK_UPDOWN = re.compile(r"(?:ipsec +|/[^ ]*/)?_updown(?: +iptables)?")
STOCK_UPDOWN: Final = (
    "the stock script accepts and exempts the tunnel's traffic by iptables; tunnelwright's own table does "
    "that in its place"
)


def fate(word: str, known: Vocabulary, *, section: bool = False) -> Fate | None:
    """What becomes of a setting, or of a subsection; None if strongSwan has none of that name. `cert*` names
    subsections, `id*` settings."""
    if not section and word in known:
        return known[word]
    open_ended = (name for name in known if name.endswith("*") and word.startswith(name[:-1]))
    name = max(open_ended, key=len, default=None)
    return known[name] if name is not None else None


def is_stock_updown(script: str) -> bool:
    """Whether it is strongSwan's own script (src/_updown), however it is called."""
    return _STOCK_UPDOWN.fullmatch(script.strip()) is not None
