"""Proves every tunnel of a lab with packets: sends, captures, opens, injects, and checks.

The routers must be configured. One flow (a pair of hosts) after the other; what is on the public
networks is captured from before the first packet until after the last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.capture import Watch
from lab.engine import Progress, quiet
from lab.flow_proof import FlowProof, FlowReport
from lab.proof import capture_whole, no_cleartext
from lab.session import Lab
from lab.topology import flows_of
from lab.wan import bystander_mac
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Check
from reconciler.model.suggestion import check_known


@dataclass(frozen=True, slots=True)
class Report:
    """What was found for a lab. No flow at all is no proof, so it has not passed."""

    flows: tuple[FlowReport, ...]
    checks: tuple[Check, ...]
    """What holds for the whole run: no cleartext on any public network, whole captures."""
    seconds: float
    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    """Tokens of all that was sent, for a search of a longer capture."""

    @property
    def passed(self) -> bool:
        """Whether every check of every flow and of the run holds."""
        return bool(self.flows) and all(f.passed for f in self.flows) and all(c.passed for c in self.checks)


def verify(
    lab: Lab,
    fabric: Fabric,
    *,
    tunnels: Iterable[str] = (),
    negative: bool = True,
    packets: int = 50,
    rate: float = 100.0,
    watch: Watch | None = None,
    progress: Progress = quiet,
) -> Report:
    """Prove the flows of all enabled tunnels with two managed ends, or of the tunnels named.

    `negative` takes each tunnel down first and brings it back from the routers' files: it interrupts.
    `packets` go each way, `rate` a second. `watch` is one that runs already; it is stopped at the end.
    Raises `RouterUnreachable`, `CommandRejected`, `LabRefused`.
    """
    began = time.monotonic()
    wanted = set(tunnels)
    check_known(wanted, fabric.tunnels, "tunnel")
    flows = [
        flow
        for flow in flows_of(fabric, lab.topology)
        if not wanted or wanted & {flow.left.name, flow.right.name}
    ]
    own = watch is None
    watch = watch or Watch(lab, [host for f in flows for host in (f.left_host, f.right_host)]).start()
    reports: list[FlowReport] = []
    tokens: list[bytes] = []
    try:
        for flow in flows:
            progress(f"proving {flow.label}")
            proof = FlowProof(lab, flow, watch, packets=packets, rate=rate)
            reports.append(proof.run(negative=negative))
            tokens += proof.tokens
    finally:
        watch.stop()
    checks = [cleartext_check(lab, fabric, watch, network, tokens) for network in watch.wan]
    checks.append(capture_whole(watch.dropped, len(watch.captures)))
    if own:
        watch.discard()
    return Report(tuple(reports), tuple(checks), round(time.monotonic() - began, 2), tuple(tokens))


def cleartext_check(lab: Lab, fabric: Fabric, watch: Watch, network: str, tokens: Iterable[bytes]) -> Check:
    """The whole capture of one public network, searched for payloads and private addresses."""
    cidrs = {a.cidr for router in fabric.routers.values() for a in router.vpc}
    check = no_cleartext(
        watch.wan[network].packets(), sorted(cidrs), tuple(tokens), attackers=[bystander_mac(lab, network)]
    )
    return Check(f"{check.name} on {network}", check.passed, check.evidence)
