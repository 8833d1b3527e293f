"""IKE and IPsec policy of a tunnel: its own values, otherwise the fleet's, otherwise the defaults."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from reconciler.model.diagnostic import Diagnostics, Severity
from reconciler.model.fabric import EspPolicy, Fabric, IkePolicy
from reconciler.model.listing import counted
from reconciler.validate.catalog import Item
from schemas.algorithms import WEAK, WEAK_GROUPS, is_aead, pfs_group
from schemas.policy import DpdSpec, FabricDefaultsSpec, IkePolicySpec, IpsecPolicySpec
from schemas.tunnel import TunnelEndSpec

SERVICE_IKE: Final = IkePolicy(
    version=2,
    integrity="sha256",
    encryption="aes-256",
    dh_group=2,
    lifetime=86_400,
    dpd_enabled=True,
    dpd_delay=30,
    dpd_action="restart",
)
"""The service's own defaults (spec, section 3)."""

SERVICE_ESP: Final = EspPolicy(integrity="sha256", encryption="aes-256", pfs_group=14, lifetime=3_600)
"""The service's own defaults (spec, section 3)."""

_NO_DPD: Final = DpdSpec()

Policy = TypeVar("Policy")


def resolve_ike(spec: IkePolicySpec, fleet: IkePolicy) -> IkePolicy:
    """The policy that a document sets, on top of `fleet`."""
    dpd = spec.dpd or _NO_DPD
    return IkePolicy(
        version=_chosen(spec.version, fleet.version),
        integrity=_chosen(spec.integrity, fleet.integrity),
        encryption=_chosen(spec.encryption, fleet.encryption),
        dh_group=_chosen(spec.dh_group, fleet.dh_group),
        lifetime=_chosen(spec.lifetime, fleet.lifetime),
        dpd_enabled=_chosen(dpd.enabled, fleet.dpd_enabled),
        dpd_delay=_chosen(dpd.delay, fleet.dpd_delay),
        dpd_action=_chosen(dpd.action, fleet.dpd_action),
    )


def resolve_esp(spec: IpsecPolicySpec, fleet: EspPolicy) -> EspPolicy:
    """The policy that a document sets, on top of `fleet`."""
    return EspPolicy(
        integrity=_chosen(spec.integrity, fleet.integrity),
        encryption=_chosen(spec.encryption, fleet.encryption),
        pfs_group=fleet.pfs_group if spec.pfs is None else pfs_group(spec.pfs),
        lifetime=_chosen(spec.lifetime, fleet.lifetime),
    )


def _chosen(own: Policy | None, fleet: Policy) -> Policy:
    return fleet if own is None else own


def weak_default(fabric: Fabric) -> str:
    """One sentence about tunnel ends that have the service's DH group because no document chose one; empty
    if there are none. A disabled tunnel negotiates nothing."""
    group = SERVICE_IKE.dh_group
    ends = [end for end in fabric.tunnels.values() if end.group_by_default and end.enabled]
    if not ends:
        return ""
    run = "runs" if len(ends) == 1 else "run"
    return (
        f"{counted(len(ends), 'tunnel end')} {run} on DH group {group}, the default of the service, which is "
        f"weak: {WEAK_GROUPS[group]}; set `ike.dhGroup` of a FabricDefaults to 14 or above"
    )


def check_ike(item: Item[TunnelEndSpec], ike: IkePolicy, found: Diagnostics) -> None:
    """Report a cipher that the IKE version does not have, wherever the two were chosen. ESP may have it all
    the same: its transforms have numbers in both versions (RFC 4106, section 8)."""
    if ike.version == 1 and is_aead(ike.encryption):
        item.error(
            found,
            "aead-not-supported",
            f"IKEv1 cannot negotiate {ike.encryption} for IKE: AEAD ciphers are only defined for IKEv2 "
            f"(RFC 5282)",
            "ike",
            "encryption",
            hint="write `version: 2`, or a cipher such as aes-256"
            + ("" if item.sets("ike", "encryption") else "; this one comes from FabricDefaults"),
        )


def report_weak(
    item: Item[TunnelEndSpec] | Item[FabricDefaultsSpec],
    esp: EspPolicy,
    severity: Severity,
    found: Diagnostics,
) -> None:
    """Report each weak algorithm that a document sets. Defaults are not reported."""
    ike, ipsec = item.spec.ike, item.spec.ipsec
    chosen: list[tuple[str, str, object, str | None]] = [
        ("ike", "integrity", ike.integrity, WEAK.get(ike.integrity or "")),
        ("ike", "encryption", ike.encryption, WEAK.get(ike.encryption or "")),
        ("ike", "dhGroup", ike.dh_group, WEAK_GROUPS.get(ike.dh_group or 0)),
        ("ipsec", "encryption", ipsec.encryption, WEAK.get(ipsec.encryption or "")),
        ("ipsec", "pfs", ipsec.pfs, WEAK_GROUPS.get(pfs_group(ipsec.pfs or "dh-group0") or 0)),
    ]
    if not is_aead(esp.encryption):
        chosen.append(("ipsec", "integrity", ipsec.integrity, WEAK.get(ipsec.integrity or "")))
    report: Any = item.error if severity is Severity.ERROR else item.warning
    for section, field, value, reason in chosen:
        if reason is not None:
            message = f"{field} {value} is weak: {reason}"
            report(found, "weak-algorithm", message, section, field, hint=_STRONGER[field])


_STRONGER: Final = {
    "integrity": "sha256 or better",
    "encryption": "aes-256, or an AEAD cipher",
    "dhGroup": "14 or above, but not 22 to 24",
    "pfs": "dh-group14 or above, but not 22 to 24",
}
