"""Evidence -> findings: every rule is asked, and what another finding explains is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from reconciler.diagnosis import negotiation, packet_path, refused_change, router_state
from reconciler.diagnosis.evidence import Evidence
from reconciler.diagnosis.finding import Finding

Rule: TypeAlias = Callable[[Evidence], Iterator[Finding]]

RULES: Final[tuple[Rule, ...]] = (
    router_state.router_unreachable,
    router_state.router_armed,
    router_state.disabled_in_git,
    router_state.cleartext_leak,
    router_state.vip_missing,
    router_state.duplicate_address,
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
    packet_path.peer_silent,
    packet_path.nat_steals,
    packet_path.route_steals,
    packet_path.forward_blocked,
    packet_path.esp_blocked,
    packet_path.one_sided,
    packet_path.not_encrypted,
    negotiation.rekey_failed,
    packet_path.no_reply,
    negotiation.not_established,
)
"""One for each cause, in the order in which findings are shown; the symptoms come last."""

_ASTRAY: Final = frozenset({"nat-steals", "route-steals", "overlapping-policy", "one-sided-sa"})
EXPLAINED_BY: Final = {
    "connection-not-found": frozenset({"drift"}),
    "key-not-found": frozenset({"drift"}),
    # With IKEv1 a wrong key makes messages that cannot be read, and those are not answered.
    "ike-blocked": frozenset({"vip-missing", "duplicate-address", "wrong-key", "ike-version-unsupported"}),
    "peer-silent": frozenset(
        {
            "vip-missing",
            "duplicate-address",
            "wrong-key",
            "ike-blocked",
            "ike-version-unsupported",
            "router-unreachable",
        }
    ),
    # Dead peer detection, or a new negotiation, would end them; neither gets through.
    "one-sided-sa": frozenset({"ike-blocked"}),
    "esp-blocked": _ASTRAY,
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
