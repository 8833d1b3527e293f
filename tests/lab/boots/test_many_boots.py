"""Many boots (`make boots`): the power is cut when an event of the boot, or a phase of an apply, says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.capture import Watch
from lab.engine import until
from lab.packets import Packet, esp_of
from reconciler.apply.phases import apply_plan
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Phase
from tests.contract.sites import change_tunnels
from tests.lab.boots.machine import DEADLINE
from tests.lab.boots.site import Site, hold, ours

pytestmark = [pytest.mark.engine, pytest.mark.alone]
BOOTS = int(os.environ.get("BOOTS", "1"))
PROTOCOL_UDP = 17
MOMENTS: tuple[tuple[str, Callable[[Packet], bool]], ...] = (
    ("the first frame on the WAN", lambda _: True),
    ("charon speaks", lambda packet: packet.protocol == PROTOCOL_UDP),
    ("an SA carries", lambda packet: esp_of(packet) is not None),
)
"""What the machine sends on the WAN when its power is cut."""
PHASES = (Phase.GUARD, Phase.CONNECTIONS, Phase.COMMIT)
"""Of an apply in which its power is cut."""


@pytest.mark.parametrize("number", range(BOOTS))
def test_a_boot_that_is_cut_leaks_nothing_and_the_next_one_carries(site: Site, number: int) -> None:
    """The power is cut while the tunnel carries, and once more at one of the moments of the boot."""
    stream = site.stream()
    with Watch(site.lab) as watch:
        stream.start()
        site.machine.cut()
        name, happens = MOMENTS[number % len(MOMENTS)]
        [wan] = watch.wan.values()
        before = len(wan.packets())
        site.boot()
        assert until(lambda: any(map(happens, ours(wan.packets()[before:]))), DEADLINE), name
        site.machine.cut()
        site.boot()
        site.carries(stream)
        stream.stop()
    hold(watch, stream)
    site.machine.wait_up()
    assert site.preview().plan.empty, "nothing has to be mended"


@pytest.mark.parametrize("number", range(BOOTS // 4))
def test_a_power_cut_in_the_middle_of_an_apply_leaks_nothing(site: Site, number: int) -> None:
    """The table and the tunnel change; what is on the disk is of before or of after, and guards either."""
    phase = PHASES[number % len(PHASES)]
    mss, encryption = ((1280, "aes-128"), (1300, "aes-256"))[number % 2]
    routers = {name: replace(router, mss=mss) for name, router in site.fabric.routers.items()}
    wanted = change_tunnels(replace(site.fabric, routers=routers), esp__encryption=encryption)

    def cut(outcome: Outcome) -> None:
        if outcome.step.phase is phase and outcome.step.router == "paris":
            site.machine.cut()

    stream = site.stream()
    with Watch(site.lab) as watch:
        stream.start()
        apply_plan(site.preview(wanted).plan, site.fleet, timeout=5, progress=cut)
        assert site.machine.process is None, "the power was cut"
        site.boot()
        site.machine.wait_up()
        site.apply(wanted)
        site.carries(stream)
        stream.stop()
    hold(watch, stream)
    site.fabric = wanted


def test_without_the_guards_of_the_boot_there_is_a_leak(site: Site) -> None:
    """The control: the same boot without the units that load them."""
    site.machine.run("rm /etc/systemd/system/*.d/tunnelwright.conf; sync")
    stream = site.stream()
    with Watch(site.lab) as watch:
        stream.start()
        site.machine.cut()
        site.boot()
        [wan] = watch.wan.values()
        token = stream.tokens[0]
        assert until(lambda: any(token in packet.frame for packet in wan.packets()), DEADLINE)
        stream.stop()
    watch.discard()
    site.machine.wait_up()
    site.apply()
