"""Causes for which charon refuses: keys, IDs, proposals, selectors. One rule for each.

The responder's words name the cause; the initiator only learns that it was refused. Where the responder is
not managed, what is left are the initiator's words, and the finding says what cannot be distinguished.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnosis import log_lines
from reconciler.diagnosis.evidence import End, Evidence
from reconciler.diagnosis.finding import Finding, found
from reconciler.facets.connections import printed_id, same_value, swanctl_id
from reconciler.model.swanctl import Settings, Value, flatten

_SPEC_OF = {"encryption": "encryption", "integrity": "integrity", "prf": "integrity"}
_ASK_PEER = "ask the peer's administrator for the log of the responding side"


def _correct(*ends: End) -> str:
    """How routers get back to what Git says. Where a plan sees the difference an apply repairs it; proposals
    and keys that were loaded by hand are not reported by charon, and its files are still right."""
    if any(change.resource.is_tunnel for end in ends for change in end.drift):
        return "a router differs from Git: run `tunnelwright apply`"
    routers = " and ".join(end.tunnel.router for end in ends)
    return (
        f"a setting that charon does not report was loaded by hand, so the plan is empty: run `swanctl "
        f"--load-all` at {routers} to load the router's files again"
    )


def _renew(end: End) -> str:
    """An SA keeps the configuration that it was made with, through rekeying too."""
    return f", then `tunnelwright reconnect {end.tunnel.name}`, because a running SA keeps its configuration"


def wrong_key(evidence: Evidence) -> Iterator[Finding]:
    """The ends hold different keys under the same identities."""
    lines = [line for end in evidence.ends for line in log_lines.matching(end.said, log_lines.WRONG_KEY)]
    if not lines:
        return
    managed = evidence.other_end is not None
    hint = _correct(*evidence.ends) if managed else "agree on the key with the peer's administrator"
    yield found(
        "wrong-key",
        evidence.this_end.tunnel,
        "authentication.key",
        "the two ends do not hold the same pre-shared key",
        seen=lines,
        hint=hint,
    )


def key_not_found(evidence: Evidence) -> Iterator[Finding]:
    """charon has no key for the two identities."""
    for end in evidence.ends:
        lines = log_lines.matching(end.said, log_lines.NO_KEY)
        if lines:
            message = f"charon at {end.tunnel.router} has no key for these identities"
            yield found(
                "key-not-found", end.tunnel, "authentication.key", message, seen=lines, hint=_correct(end)
            )


def id_mismatch(evidence: Evidence) -> Iterator[Finding]:
    """What one end calls itself is not what the other expects."""
    this_end = evidence.this_end
    other = log_lines.first(log_lines.OTHER_ID, this_end.said)
    if other is not None:
        blamed, path = this_end, "identity.peer"
        if evidence.other_end is not None and _live(evidence.other_end, "local.id") != _wanted(
            evidence.other_end, "local.id"
        ):
            blamed, path = evidence.other_end, "identity.local"
        message = f"the peer's ID is not {this_end.tunnel.peer_id.value!r}"
        yield found("id-mismatch", blamed.tunnel, path, message, seen=[other[0]], hint=_correct(blamed))
        return
    other_end = evidence.other_end
    refused = log_lines.matching(other_end.said, log_lines.NO_PEER) if other_end is not None else ()
    asked = log_lines.first(log_lines.LOOKING_FOR, other_end.said) if other_end is not None else None
    if other_end is None or asked is None or not refused:
        return
    blamed, path = _departing_id(this_end, other_end)
    said, called = asked["initiator"], asked["responder"]
    expects = _live(other_end, "remote.id") or printed_id(swanctl_id(other_end.tunnel.peer_id))
    own = _live(other_end, "local.id") or printed_id(swanctl_id(other_end.tunnel.local_id))
    message = f"{this_end.tunnel.router} has the ID {said!r}, {other_end.tunnel.router} expects {expects!r}"
    if said == expects and called is not None:
        message = f"{this_end.tunnel.router} expects the ID {called!r}, {other_end.tunnel.router} has {own!r}"
    yield found("id-mismatch", blamed.tunnel, path, message, seen=[asked[0], *refused], hint=_correct(blamed))


def _departing_id(this_end: End, other_end: End) -> tuple[End, str]:
    """The ID that is not what Git says; that which the responder expects when all are."""
    for end in (this_end, other_end):
        for setting, path in (("local.id", "identity.local"), ("remote.id", "identity.peer")):
            live = _live(end, setting)
            if live is not None and live != _wanted(end, setting):
                return end, path
    return other_end, "identity.peer"


def _live(end: End, setting: str) -> Value | None:
    """A setting of the end's connection as charon reports it; None where it is not loaded."""
    if end.state is None or end.connection is None:
        return None
    return _setting(end.state.connections.get(end.connection.name), setting)


def _wanted(end: End, setting: str) -> Value | None:
    value = _setting(end.connection.settings if end.connection is not None else None, setting)
    return printed_id(value) if isinstance(value, str) else value


def _setting(settings: Settings | None, path: str) -> Value | None:
    return dict(flatten(settings)).get(path) if settings is not None else None


def authentication_refused(evidence: Evidence) -> Iterator[Finding]:
    """A peer that is not managed refuses us and does not say why."""
    this_end = evidence.this_end
    lines = log_lines.matching(this_end.said, log_lines.REFUSED_AUTH)
    if evidence.other_end is not None or not lines:
        return
    ids = (
        "the peer has no connection for our ID"
        if this_end.tunnel.ike.version == 1
        else ("either the keys differ, or the peer expects other IDs; IKEv2 does not show which")
    )
    path = "identity.local" if this_end.tunnel.ike.version == 1 else "authentication.key"
    mine = (
        f"ours is {this_end.tunnel.local_id.value!r}, the peer's should be {this_end.tunnel.peer_id.value!r}"
    )
    yield found("authentication-refused", this_end.tunnel, path, f"{ids}; {mine}", seen=lines, hint=_ASK_PEER)


def connection_not_found(evidence: Evidence) -> Iterator[Finding]:
    """The responder has no connection between these addresses for this IKE version."""
    this_end, other_end = evidence.this_end, evidence.other_end
    if other_end is None:
        return
    local, peer = other_end.tunnel.vip.address, this_end.tunnel.vip.address
    if peer in log_lines.without_connection(other_end.said, local):
        yield found(
            "connection-not-found",
            other_end.tunnel,
            "ike.version",
            f"{other_end.tunnel.router} has no connection between these addresses for "
            f"IKEv{this_end.tunnel.ike.version}",
            seen=log_lines.matching(other_end.said, log_lines.NO_CONNECTION),
            hint=_correct(other_end),
        )


def ike_version_unsupported(evidence: Evidence) -> Iterator[Finding]:
    """An end's charon was built without the IKE version of the tunnel."""
    for end in evidence.ends:
        lines = log_lines.matching(end.said, log_lines.NO_VERSION)
        if lines:
            version = f" (strongSwan {end.state.version})" if end.state is not None else ""
            yield found(
                "ike-version-unsupported",
                end.tunnel,
                "ike.version",
                f"charon at {end.tunnel.router}{version} does not speak IKEv{end.tunnel.ike.version}",
                seen=lines,
                hint="set `ike.version: 2` at both ends: strongSwan is built without IKEv1 from 6.1.0 on",
            )


def ike_proposal_mismatch(evidence: Evidence) -> Iterator[Finding]:
    """No IKE proposal of the initiator is acceptable to the responder."""
    this_end, other_end = evidence.this_end, evidence.other_end
    if other_end is None:
        lines = log_lines.matching(this_end.said, log_lines.REFUSED_IKE)
        if lines and log_lines.first(log_lines.ESTABLISHED, this_end.said) is None:
            yield found(
                "ike-proposal-mismatch",
                this_end.tunnel,
                "ike",
                f"the peer accepts none of our IKE proposals, or has no connection for our address; ours "
                f"is {_desired(this_end, 'IKE')}",
                seen=lines,
                hint=_ASK_PEER,
            )
        return
    refused = log_lines.matching(other_end.said, log_lines.IKE_PROPOSALS)
    proposals = log_lines.refused_proposals(other_end.said, "IKE")
    if refused and proposals is not None:
        blamed, kinds = _departing(evidence, proposals, "IKE")
        field = "dhGroup" if kinds[:1] == ("group",) else _SPEC_OF[kinds[0]] if kinds else ""
        yield found(
            "ike-proposal-mismatch",
            blamed.tunnel,
            f"ike.{field}".rstrip("."),
            _differ("IKE", this_end, other_end, blamed, proposals),
            seen=[*proposals.lines, *refused],
            hint=_correct(blamed),
        )


def esp_proposal_mismatch(evidence: Evidence) -> Iterator[Finding]:
    """No ESP proposal of the initiator is acceptable to the responder, or only its PFS group is not."""
    this_end, other_end = evidence.this_end, evidence.other_end
    lines = (*this_end.said, *this_end.said_rekeying)
    if other_end is None:
        yield from _esp_refused_by_unmanaged(evidence)
        return
    said = (*other_end.said, *other_end.said_rekeying)
    refused = log_lines.matching(said, log_lines.ESP_PROPOSALS)
    proposals = log_lines.refused_proposals(said, "ESP")
    if not refused or proposals is None:
        return
    only_group = proposals.kinds == ("group",)
    blamed, kinds = _departing(evidence, proposals, "ESP")
    if only_group:
        first_rekey = "the first rekey fails" if evidence.rekey_failure else "no CHILD_SA comes up"
        yield found(
            "pfs-mismatch",
            blamed.tunnel,
            "ipsec.pfs",
            f"{_differ('ESP', this_end, other_end, blamed, proposals)}: {first_rekey}",
            seen=[*proposals.lines, *log_lines.matching(lines, log_lines.REFUSED_ESP)],
            hint=_correct(blamed) + (_renew(this_end) if this_end.children else ""),
        )
        return
    kinds = tuple(kind for kind in kinds if kind in proposals.kinds) or proposals.kinds
    field = "pfs" if kinds[0] == "group" else _SPEC_OF[kinds[0]]
    yield found(
        "esp-proposal-mismatch",
        blamed.tunnel,
        f"ipsec.{field}",
        _differ("ESP", this_end, other_end, blamed, proposals),
        seen=[*proposals.lines, *refused],
        hint=_correct(blamed),
    )


def _esp_refused_by_unmanaged(evidence: Evidence) -> Iterator[Finding]:
    this_end = evidence.this_end
    ours = _desired(this_end, "ESP")
    rekeying = log_lines.matching(this_end.said_rekeying, log_lines.REFUSED_ESP)
    if rekeying:
        message = (
            f"the peer refuses to rekey a CHILD_SA that it accepted: the PFS groups differ; ours is {ours}"
        )
        yield found("pfs-mismatch", this_end.tunnel, "ipsec.pfs", message, seen=rekeying, hint=_ASK_PEER)
    lines = log_lines.matching(this_end.said, log_lines.REFUSED_ESP)
    built = log_lines.first(log_lines.ESTABLISHED, this_end.said) or any(
        sa.state == "ESTABLISHED" for sa in this_end.sas
    )
    if lines and built and not this_end.children:
        yield found(
            "esp-proposal-mismatch",
            this_end.tunnel,
            "ipsec",
            f"the peer accepts none of our ESP proposals; ours is {ours}",
            seen=lines,
            hint=_ASK_PEER,
        )


def _desired(end: End, protocol: str) -> str:
    """The end's proposal by Git, in swanctl's words."""
    if end.connection is None:
        return ""
    name = "proposals" if protocol == "IKE" else "esp_proposals"
    for path, value in flatten(end.connection.settings):
        if path.rpartition(".")[2] == name and isinstance(value, tuple):
            return value[0]
    return ""


def _departing(
    evidence: Evidence, refusal: log_lines.RefusedProposals, protocol: str
) -> tuple[End, tuple[str, ...]]:
    """The end whose proposals are not those that Git says, and the kinds that differ."""
    this_end, other_end = evidence.this_end, evidence.other_end or evidence.this_end
    for end, offered in ((other_end, refusal.configured), (this_end, refusal.received)):
        kinds = log_lines.departs(offered, log_lines.configured(_desired(end, protocol)))
        # An initiator leaves the group of the first CHILD_SA out (RFC 7296, section 1.2).
        kinds = tuple(k for k in kinds if k in refusal.kinds)
        if kinds:
            return end, kinds
    return this_end, refusal.kinds


def _differ(
    protocol: str, this_end: End, other_end: End, blamed: End, refusal: log_lines.RefusedProposals
) -> str:
    return (
        f"the {protocol} proposals have no {' and no '.join(refusal.kinds)} in common: "
        f"{this_end.tunnel.router} offers {_shown(refusal.received)}, {other_end.tunnel.router} has "
        f"{_shown(refusal.configured)}; Git wants {_desired(blamed, protocol)} at {blamed.tunnel.router}"
    )


def _shown(offers: tuple[log_lines.Offer, ...]) -> str:
    return ", ".join(
        "-".join("|".join(sorted(item[kind])) for kind in log_lines.KINDS if kind in item) for item in offers
    )


def selector_mismatch(evidence: Evidence) -> Iterator[Finding]:
    """The responder has nothing in common with the selectors that it was asked for."""
    this_end, other_end = evidence.this_end, evidence.other_end
    refused = log_lines.matching(other_end.said, log_lines.SELECTORS) if other_end is not None else ()
    lines = log_lines.matching(this_end.said, log_lines.REFUSED_TS)
    if not (refused or lines):
        return
    blamed, path = _departing_selectors(this_end, other_end)
    ours = f"{' '.join(this_end.tunnel.local_cidrs)} === {' '.join(this_end.tunnel.peer_cidrs)}"
    yield found(
        "selector-mismatch",
        blamed.tunnel,
        path,
        f"the other end has no traffic selectors in common with {ours}",
        seen=[*refused, *lines],
        hint=_correct(blamed) if other_end is not None else _ASK_PEER,
    )


def _departing_selectors(this_end: End, other_end: End | None) -> tuple[End, str]:
    """The end whose loaded selectors are not those that Git says."""
    for end in (other_end, this_end):
        if end is None or end.state is None or end.connection is None:
            continue
        wanted = dict(_selectors(end.connection.settings))
        live = _selectors(end.state.connections.get(end.connection.name))
        wrong = [path for path, value in live if not same_value(path, value, wanted.get(path))]
        if wrong:
            return end, "peer.cidrs" if wrong[0].endswith("remote_ts") else "source"
    return this_end, "peer.cidrs"


def _selectors(settings: Settings | None) -> list[tuple[str, Value]]:
    found_ = flatten(settings) if settings is not None else ()
    return [(path, value) for path, value in found_ if path.endswith(("local_ts", "remote_ts"))]


def selector_narrowed(evidence: Evidence) -> Iterator[Finding]:
    """A CHILD_SA is up between fewer networks than Git says (RFC 7296, section 2.9)."""
    this_end = evidence.this_end
    if this_end.connection is None:
        return
    wanted = dict(_selectors(this_end.connection.settings))
    for child in this_end.children:
        for side, live in (("local_ts", child.local_ts), ("remote_ts", child.remote_ts)):
            lacking = sorted(set(wanted.get(f"children.{child.name}.{side}", ())) - set(live))
            if lacking:
                blamed, path = _departing_selectors(this_end, evidence.other_end)
                yield found(
                    "selector-narrowed",
                    blamed.tunnel,
                    path,
                    f"{', '.join(lacking)} is wanted at {this_end.tunnel.router}, the peer agreed only to "
                    f"{', '.join(live)}: other traffic is dropped",
                    seen=[
                        f"CHILD_SA {child.name}: {' '.join(child.local_ts)} === {' '.join(child.remote_ts)}"
                    ],
                    hint=(_correct(blamed) if evidence.other_end is not None else _ASK_PEER)
                    + "; the next apply asks the peer again",
                )


def rekey_failed(evidence: Evidence) -> Iterator[Finding]:
    """The CHILD_SA cannot be replaced, for a reason that no other rule names."""
    if evidence.rekey_failure:
        yield found(
            "rekey-failed",
            evidence.this_end.tunnel,
            "ipsec",
            "the CHILD_SA could not be rekeyed; it carries traffic until its lifetime ends",
            seen=[*evidence.this_end.said_rekeying[-3:], evidence.rekey_failure],
        )


def not_established(evidence: Evidence) -> Iterator[Finding]:
    """It does not come up, for a reason that no other rule names."""
    if evidence.this_end.missing:
        yield found(
            "not-established",
            evidence.this_end.tunnel,
            "peer.address",
            f"no CHILD_SA for {', '.join(evidence.this_end.missing)}",
            seen=[*evidence.this_end.said[-4:], evidence.failure]
            if evidence.failure
            else evidence.this_end.said[-4:],
        )
