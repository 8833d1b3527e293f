"""Rounds of boots: the power is cut at a moment that an event decides; packets in the clear are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lab.engine import until
from lab.packets import Packet, esp_of
from reconciler.apply.phases import apply_plan
from reconciler.model.operation import CloseSurplus
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Phase, ResourceChange
from reconciler.model.way_back import Arming, Saved
from reconciler.routers.protocol import Router
from tests.contract.sites import change_tunnels
from tests.lab.boots.machine import DEADLINE
from tests.lab.boots.site import Site, Traffic, ours

PROTOCOL_UDP = 17
MOMENTS: dict[str, Callable[[Packet], bool]] = {
    "the first frame on the WAN": lambda _: True,
    "the first packet of charon": lambda packet: packet.protocol == PROTOCOL_UDP,
    "the first ESP packet": lambda packet: esp_of(packet) is not None,
}
"""What the machine sends on the WAN when its power is cut."""
PHASES = (Phase.GUARD, Phase.CONNECTIONS, Phase.COMMIT)
"""Of an apply in which its power is cut."""
ENOUGH = 100
"""Packets that must have had the chance to leak."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a round of boots has shown."""

    label: str
    boots: int
    sent: int
    """Packets that the machine was to send through the tunnel, from the first power cut on."""
    dropped: int
    """Those that its guards have dropped in the last boot, until the tunnel carried."""
    clear: int
    """Those that could be read on the WAN."""

    def row(self) -> str:
        """A line of the table."""
        return f"| {self.label} | {self.boots} | {self.sent:,} | {self.dropped:,} | {self.clear:,} |"


HEADER = """\
| the power was cut at | boots | inside packets sent | dropped in the last boot | in the clear |
|---|---|---|---|---|"""


def cut_at(site: Site, moment: str) -> Round:
    """The power is cut while the tunnel carries, and once more at a moment of the boot."""
    with Traffic(site) as traffic:
        site.machine.cut()
        before = len(traffic.wan())
        site.boot()
        _cut_when(traffic, moment, before)
        site.boot()
        return _ended(traffic, moment, 2)


def cut_within_an_apply(site: Site, phase: Phase, number: int) -> Round:
    """The table and the tunnel change; what is on the disk is of before or of after, and guards either."""
    mss, encryption = ((1280, "aes-128"), (1300, "aes-256"))[number % 2]
    routers = {name: replace(router, mss=mss) for name, router in site.fabric.routers.items()}
    wanted = change_tunnels(replace(site.fabric, routers=routers), esp__encryption=encryption)

    def cut(outcome: Outcome) -> None:
        if outcome.step.phase is phase and outcome.step.router == "paris":
            site.machine.cut()

    plan = site.preview(wanted).plan
    with Traffic(site) as traffic:
        apply_plan(plan, site.fleet, timeout=5, progress=cut)
        assert site.machine.process is None, "the power was cut"
        site.boot()
        site.machine.wait_up()
        site.apply(wanted)
        site.fabric = wanted
        return _ended(traffic, f"the phase `{phase}` of an apply", 1)


def without_charon(site: Site) -> Round:
    """charon never starts; when it does after all, the power is cut at its first packet."""
    site.machine.run("systemctl mask strongswan && sync")
    with Traffic(site) as traffic:
        site.machine.cut()
        site.boot()
        assert until(lambda: _dropped(site) >= ENOUGH, DEADLINE, poll=1), site.machine.said()
        assert traffic.clear() == 0
        before = len(traffic.wan())
        site.machine.run("systemctl unmask strongswan && sync && systemctl start --no-block strongswan")
        _cut_when(traffic, "the first packet of charon", before)
        site.boot()
        return _ended(traffic, "any time; charon never starts, and at its first packet", 2)


def armed_without_boot_files(site: Site) -> Round:
    """The machine is armed, and loses its boot files before its power."""
    owned = [*site.preview().observation.states["paris"].owned]

    def remove(router: Router) -> None:
        router.host.arm(Arming("a" * 16, "me@here", "d" * 64, "", 3600), Saved())
        router.host.remove_owned(owned)

    site.at_machine(remove)
    site.machine.run("sync")
    with Traffic(site) as traffic:
        site.machine.cut()
        site.boot()
        return _ended(traffic, "any time; armed, without boot files", 1)


def without_guards(site: Site) -> Round:
    """The control: the same boot, but nothing loads the guards."""
    with _no_guards(site), Traffic(site) as traffic:
        site.machine.cut()
        site.boot()
        assert until(lambda: traffic.clear() >= ENOUGH, DEADLINE, poll=1), site.machine.said()
        site.machine.wait_up()
        return Round("control: any time, without the guards", 1, traffic.sent(), 0, traffic.clear())


@contextmanager
def _no_guards(site: Site) -> Iterator[None]:
    site.machine.run("rm /etc/systemd/system/*.d/tunnelwright.conf && sync")
    yield
    site.apply()


def _cut_when(traffic: Traffic, moment: str, before: int) -> None:
    """Cut the power at a moment after so many packets on the WAN."""
    machine, happens = traffic.site.machine, MOMENTS[moment]
    happened = until(lambda: any(map(happens, ours(traffic.wan()[before:]))), DEADLINE, poll=0.2)
    assert happened, (moment, machine.said())
    machine.cut()


def _ended(traffic: Traffic, label: str, boots: int) -> Round:
    site = traffic.site
    traffic.carries()
    site.machine.wait_up()
    found = Round(label, boots, traffic.sent(), _dropped(site), traffic.clear())
    assert repaired(site)
    return found


def repaired(site: Site) -> bool:
    """Whether the router gets by itself to where nothing is left to do for an apply, but to close a
    CHILD_SA: where both ends have brought the tunnel up, one is too many."""
    left: list[ResourceChange] = []

    def settled() -> bool:
        left[:] = site.left()
        return all(isinstance(step.operation, CloseSurplus) for change in left for step in change.steps)

    assert until(settled, 120, poll=2), [(str(change.resource), change.reason) for change in left]
    if left:
        site.apply()
    return not left or site.left() == []


def _dropped(site: Site) -> int:
    """Packets that the guards have dropped since they were loaded; 0 if the machine cannot be asked yet."""
    rules = "nft list table inet tunnelwright | sed -n 's/.* counter packets \\([0-9]*\\) .* drop$/\\1/p'"
    try:
        return sum(map(int, site.machine.run(rules).split()))
    except AssertionError:
        return 0
