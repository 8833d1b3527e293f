"""Two keys are good while an unmanaged peer changes its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from reconciler.facets.files import WrittenFile
from reconciler.model.errors import RouterUnreachable
from reconciler.model.fabric import Fabric
from reconciler.model.operation import Establish
from reconciler.model.outcome import Status
from reconciler.observe.state import read_sas
from reconciler.operations.apply import Applied, apply
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Closing, Host, Message, Router, Vici, ViciEvent
from tests.contract.sites import Site, change_tunnels
from tests.converged import assert_converged
from tests.sas import bring_up, take_down

pytestmark = pytest.mark.one_transport

OLD, NEW = "the key of this year, which both ends have", "the key of next year, which comes later"


def alone(site: Site, name: str, version: int) -> Fabric:
    """One end, to which the other is a stranger's."""
    fabric = change_tunnels(site.fabric, ike__version=version, other_end=None)
    tunnel = fabric.tunnels[name]
    return replace(fabric, routers={tunnel.router: fabric.routers[tunnel.router]}, tunnels={name: tunnel})


def failed(applied: Applied) -> list[str]:
    return [o.message for o in applied.outcomes if o.status is Status.FAILED]


@dataclass
class Deaf(Closing):
    """A router whose charon takes no key."""

    router: Router

    @property
    def name(self) -> str:
        return self.router.name

    @property
    def host(self) -> Host:
        return self.router.host

    @property
    def vici(self) -> Vici:
        return self

    def close(self) -> None:
        self.router.close()

    def request(self, command: str, message: Message | None = None) -> Message:
        if command == "load-shared":
            raise RouterUnreachable("no route to host", router=self.name)
        return self.router.vici.request(command, message)

    def stream(self, command: str, event: str, message: Message | None = None) -> Iterator[Message]:
        return self.router.vici.stream(command, event, message)

    def subscribe(self, *events: str) -> frozenset[str]:
        return self.router.vici.subscribe(*events)

    def next_event(self, pause: float) -> ViciEvent | None:
        return self.router.vici.next_event(pause)


def number_of_sas(router: Router, connection: str) -> int:
    """Those that are whole."""
    return sum(sa.state == "ESTABLISHED" and bool(sa.children) for sa in read_sas(router.vici, connection))


@pytest.mark.parametrize("version", [2, 1])
def test_the_old_key_is_used_until_the_peer_has_the_new_one(site: Site, version: int) -> None:
    paris, tokyo = alone(site, "paris-tokyo", version), alone(site, "tokyo-paris", version)
    # The first end waits for the second.
    site.apply(tokyo, psk=OLD, timeout=0.1)
    assert_converged(site.apply(paris, psk=OLD))
    early = site.apply(paris, psk=NEW)
    [message] = failed(early)
    assert "the previous configuration and key are loaded again: paris" in message
    assert [o.restored for o in early.outcomes if o.status is Status.FAILED] == [True]
    assert not early.remaining.empty, "the next run tries again"

    router = site.connect("paris")
    wanted = site.preview(paris, NEW).desired["paris"].connections["tw-paris-tokyo"]
    written = site.preview(paris, NEW).observation.states["paris"].files["tw-paris-tokyo.conf"]
    said = WrittenFile(written).refusal(wanted)
    assert said, "the router's file says so, for `diagnose`"
    assert said in message
    assert number_of_sas(router, "tw-paris-tokyo"), "the old SA carries on"
    take_down(router.vici, "tw-paris-tokyo")
    child = next(iter(site.preview(paris, OLD).desired["paris"].connections["tw-paris-tokyo"].children))
    bring_up(router.vici, "tw-paris-tokyo", child)
    assert number_of_sas(router, "tw-paris-tokyo"), "a new one comes up by the old key"

    assert failed(site.apply(paris, psk=NEW)), "still"
    # Now the peer gets the new key, and nothing else.
    tokyo_router = site.connect("tokyo")
    secret = site.preview(tokyo, NEW).desired["tokyo"].connections["tw-tokyo-paris"].secret
    for old in list(tokyo_router.vici.request("get-shared")["keys"]):
        tokyo_router.vici.request("unload-shared", {"id": old})
    tokyo_router.vici.request(
        "load-shared",
        {"id": secret.id, "type": "ike", "data": NEW.encode(), "owners": list(secret.owners)},
    )
    late = site.apply(paris, psk=NEW)
    assert_converged(late)
    assert len(router.vici.request("get-shared")["keys"]) == 1
    assert number_of_sas(router, "tw-paris-tokyo")


def test_where_one_end_cannot_be_reached_the_other_keeps_its_key(site: Site) -> None:
    """Both ends are managed; one is lost after the first has loaded the new key."""
    site.apply(psk=OLD)
    before = site.preview(psk=NEW)
    site.verify()

    def connect(name: str) -> Router:
        router = site.connect(name)
        return Deaf(router) if name == "tokyo" else router

    applied = apply(before, Fleet(connect), timeout=1)
    assert [o.restored for o in applied.outcomes if isinstance(o.step.operation, Establish)] == [True]
    router = site.connect("paris")
    take_down(router.vici, "tw-paris-tokyo")
    bring_up(router.vici, "tw-paris-tokyo", "net")
    assert number_of_sas(router, "tw-paris-tokyo")
    assert_converged(site.apply(psk=NEW))
