"""Evidence -> findings: every rule is asked, and what another finding explains is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from reconciler.diagnosis import (
    addresses,
    half_open,
    negotiation,
    one_way,
    packet_path,
    path_mtu,
    refused_change,
    router_state,
)
from reconciler.diagnosis.evidence import Evidence
from reconciler.diagnosis.finding import Finding

Rule: TypeAlias = Callable[[Evidence], Iterator[Finding]]

RULES: Final[tuple[Rule, ...]] = (
    router_state.router_unreachable,
    router_state.router_armed,
    router_state.disabled_in_git,
    router_state.cleartext_leak,
    addresses.vip_missing,
    addresses.duplicate_address,
    addresses.answered_elsewhere,
    addresses.peer_is_local,
    addresses.translated_on_the_path,
    router_state.drift,
    refused_change.refused_change,
    packet_path.overlapping_policy,
    negotiation.wrong_key,
    negotiation.key_not_found,
    negotiation.id_mismatch,
    negotiation.authentication_refused,
    negotiation.connection_not_found,
    negotiation.ike_version_unsupported,
    negotiation.ike_proposal_mismatch,
    negotiation.esp_proposal_mismatch,
    negotiation.selector_mismatch,
    negotiation.selector_narrowed,
    packet_path.ike_blocked,
    half_open.half_open,
    packet_path.peer_silent,
    packet_path.nat_steals,
    packet_path.route_steals,
    packet_path.forward_blocked,
    packet_path.esp_blocked,
    packet_path.one_sided,
    packet_path.not_encrypted,
    one_way.one_way,
    path_mtu.path_mtu,
    negotiation.rekey_failed,
    packet_path.no_reply,
    negotiation.not_established,
    router_state.clock_differs,
)
"""One for each cause, in the order in which findings are shown; the symptoms come last."""

_ASTRAY: Final = frozenset(
    {"nat-steals", "route-steals", "overlapping-policy", "one-sided-sa", "duplicate-address", "peer-is-local"}
)
_ELSEWHERE: Final = frozenset({"vip-missing", "duplicate-address", "peer-is-local", "address-translated"})
EXPLAINED_BY: Final = {
    "connection-not-found": frozenset({"drift"}),
    "key-not-found": frozenset({"drift"}),
    # With IKEv1 a wrong key makes messages that cannot be read, and those are not answered.
    "ike-blocked": _ELSEWHERE | {"wrong-key", "ike-version-unsupported"},
    "half-open": _ELSEWHERE | {"ike-blocked", "wrong-key"},
    "peer-silent": _ELSEWHERE
    | {"half-open", "wrong-key", "ike-blocked", "ike-version-unsupported", "router-unreachable"},
    # The router that has the address beside its owner is the one that has it as that of its peer.
    "duplicate-address": frozenset({"peer-is-local"}),
    # Dead peer detection, or a new negotiation, would end them; neither gets through.
    "one-sided-sa": frozenset({"ike-blocked"}),
    "esp-blocked": _ASTRAY,
    "one-way": _ASTRAY,
    "not-encrypted": _ASTRAY | {"drift"},
    # The running SAs are those of the former configuration.
    "selector-narrowed": frozenset({"change-refused"}),
    "rekey-failed": frozenset({"pfs-mismatch", "esp-proposal-mismatch", "peer-silent"}),
}
"""Code to the codes of which any one makes it a mere consequence."""
SYMPTOMS: Final = frozenset({"no-reply", "not-established"})
"""Codes that are reported only when no cause was found."""


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """Every cause that the evidence shows; nothing when the tunnel is healthy."""
    everything = [finding for rule in RULES for finding in rule(evidence)]
    failures = {finding.code for finding in everything if finding.failure}
    causes = failures - SYMPTOMS

    def stands(finding: Finding) -> bool:
        if finding.code in SYMPTOMS:
            return not causes
        return not EXPLAINED_BY.get(finding.code, frozenset()) & failures

    return tuple(dict.fromkeys(finding for finding in everything if stands(finding)))
