"""Events of tunnels between two observations, on whatever way charon is reached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.engine import until
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.observe.follow import Follower
from tests.contract.sites import CONNECTION, Site
from tests.memory import MemoryRouter
from tests.sas import bring_up, take_down

pytestmark = pytest.mark.one_transport

UP, DOWN, REKEYED = TunnelChange.UP, TunnelChange.DOWN, TunnelChange.REKEYED


class Watched:
    """What the follower of paris has reported."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.events: list[TunnelEvent] = []
        tunnels = [tunnel for tunnel in site.fabric.tunnels.values() if tunnel.router == "paris"]
        self.follower = Follower(
            "paris", lambda name: site.reach(site.fabric, name), tunnels, self.events.extend
        )

    def until(self, *changes: TunnelChange) -> list[TunnelEvent]:
        """The next events, which are these."""
        assert until(lambda: len(self.events) >= len(changes), 20), self.events
        found, self.events[:] = self.events[:], []
        assert [event.change for event in found] == list(changes)
        assert {(event.router, event.tunnel) for event in found} == {("paris", "paris-tokyo")}
        return found

    def followed(self) -> bool:
        return not self.follower.why_not


@pytest.fixture
def watched(site: Site) -> Iterator[Watched]:
    """The tunnel is up, and paris is followed."""
    site.apply()
    bring_up(site.connect("paris").vici, CONNECTION, "net")
    found = Watched(site)
    found.follower.start()
    assert until(found.followed, 20), found.follower.why_not
    yield found
    found.follower.stop()


def rekey(site: Site) -> None:
    router = site.connect("paris")
    if isinstance(router, MemoryRouter):
        router.vici.rekey()
    else:
        router.vici.request("rekey", {"child": "net"})


def test_a_tunnel_that_goes_down_and_comes_up_is_reported(watched: Watched) -> None:
    assert watched.events == [], "what was so at the beginning is no event"
    assert set(watched.follower.up() or {}) == {("paris-tokyo", "net")}
    take_down(watched.site.connect("tokyo").vici, "tw-tokyo-paris")
    [down] = watched.until(DOWN)
    assert (down.child, down.late) == ("net", False)
    assert down.seconds is not None
    assert watched.follower.up() == {}
    bring_up(watched.site.connect("paris").vici, CONNECTION, "net")
    watched.until(UP)
    since = (watched.follower.up() or {})["paris-tokyo", "net"]
    assert since is not None
    assert since >= down.at


def test_a_rekey_is_counted_and_interrupts_nothing(watched: Watched) -> None:
    before = watched.follower.up()
    rekey(watched.site)
    [event] = watched.until(REKEYED)
    assert event.detail == "CHILD_SA"
    assert watched.follower.up() == before
    take_down(watched.site.connect("paris").vici, CONNECTION)
    watched.until(DOWN)


def test_a_charon_that_restarts_is_followed_again_and_nothing_is_missed(watched: Watched) -> None:
    """It ends without a word, and its new socket is another one."""
    watched.site.restart_charon("paris")
    assert until(lambda: any(event.change is DOWN for event in watched.events), 30)
    assert until(watched.followed, 30), watched.follower.why_not
    bring_up(watched.site.connect("paris").vici, CONNECTION, "net")
    assert until(lambda: bool(watched.follower.up()), 20)
    assert [event.change for event in watched.events] in ([DOWN, UP], [DOWN, UP, DOWN, UP])
    watched.events.clear()
    take_down(watched.site.connect("paris").vici, CONNECTION)
    watched.until(DOWN)
