"""What each swanctl.conf setting comes to in desired state: a field, nothing, or a reason why not. Pure.

Source: strongSwan's vici_config.c: the settings of a section, their defaults, the words of a boolean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

YES = frozenset({"yes", "true", "enabled", "1"})
NO = frozenset({"no", "false", "disabled", "0"})
_ZERO = frozenset({"0"})
_ROUTE_BASED = "route-based tunnels are not supported"
_MARKS = "marks are not supported"


@dataclass(frozen=True, slots=True)
class Refused:
    """A setting that the service has no word for, unless it says what holds anyway."""

    why: str
    harmless: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The settings of one kind of section."""

    taken: frozenset[str]
    dropped: frozenset[str]
    """Those that tunnelwright chooses by itself."""
    refused: Mapping[str, Refused] = field(default_factory=dict)

    @property
    def words(self) -> frozenset[str]:
        """All of them."""
        return self.taken | self.dropped | self.refused.keys()


IKE = Vocabulary(
    frozenset(
        {"version", "local_addrs", "remote_addrs", "proposals", "rekey_time", "reauth_time", "dpd_delay"}
    ),
    frozenset(
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
            "ocsp",
            "dscp",
            "pull",
        }
    ),
    {
        "aggressive": Refused("Aggressive Mode is not supported: it reveals a hash of the key", NO),
        "encap": Refused("forced UDP encapsulation is not supported", NO),
        "if_id_in": Refused(_ROUTE_BASED, _ZERO),
        "if_id_out": Refused(_ROUTE_BASED, _ZERO),
        "local_port": Refused("only the standard ports are supported", frozenset({"0", "500"})),
        "remote_port": Refused("only the standard ports are supported", frozenset({"500"})),
        "pools": Refused("pools of virtual addresses are not supported"),
        "vips": Refused("virtual addresses from the peer are not supported"),
        "ppk_id": Refused("post-quantum pre-shared keys are not supported"),
        "ppk_required": Refused("post-quantum pre-shared keys are not supported", NO),
        "childless": Refused("childless initiation is not supported", frozenset({"allow", "never"})),
        "mediation": Refused("mediation is not supported", NO),
        "mediated_by": Refused("mediation is not supported"),
        "mediation_peer": Refused("mediation is not supported"),
    },
)
AUTHENTICATION = Vocabulary(frozenset({"auth", "id"}), frozenset({"round", "revocation"}))
CHILD = Vocabulary(
    frozenset(
        {"local_ts", "remote_ts", "esp_proposals", "rekey_time", "life_time", "dpd_action"},
    ),
    frozenset(
        {
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
            "hostaccess",
            "label_mode",
        }
    ),
    {
        "mode": Refused("only tunnel mode is supported", frozenset({"tunnel"})),
        "ah_proposals": Refused("AH is not supported; use ESP"),
        "sha256_96": Refused("truncation to 96 bits is not supported", NO),
        "updown": Refused("scripts are not part of the desired state"),
        "policies": Refused(_ROUTE_BASED, YES),
        "policies_fwd_out": Refused("further policies are not supported", NO),
        "if_id_in": Refused(_ROUTE_BASED, _ZERO),
        "if_id_out": Refused(_ROUTE_BASED, _ZERO),
        "interface": Refused(_ROUTE_BASED),
        "mark_in": Refused(_MARKS, _ZERO),
        "mark_out": Refused(_MARKS, _ZERO),
        "mark_in_sa": Refused(_MARKS, NO),
        "set_mark_in": Refused(_MARKS, _ZERO),
        "set_mark_out": Refused(_MARKS, _ZERO),
        "reqid": Refused("fixed request ids are not supported", _ZERO),
        "tfc_padding": Refused("padding is not supported", _ZERO),
        "hw_offload": Refused("hardware offload is not supported", NO),
        "copy_df": Refused("copying to the outer header cannot be configured", YES),
        "copy_ecn": Refused("copying to the outer header cannot be configured", YES),
        "copy_dscp": Refused("copying to the outer header cannot be configured", frozenset({"out"})),
        "label": Refused("security labels are not supported"),
    },
)
DPD_ACTIONS = {
    "none": "clear",
    "clear": "clear",
    "trap": "trap",
    "route": "trap",
    "hold": "trap",
    "start": "restart",
    "restart": "restart",
}
