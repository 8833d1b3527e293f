"""What an apply costs is measured by the routers themselves."""

from __future__ import annotations

import threading
import time

import pytest

from lab.session import Lab
from lab.topology import Role
from reconciler.model import bounds
from reconciler.model.errors import CommandRejected
from reconciler.model.outcome import IN_FLIGHT, Echoes
from reconciler.model.plan import Disruption
from reconciler.model.router_config import InterfaceAddress
from tests.contract.sites import CHARONS, REAL, Site, change_tunnels

INSIDE = ("10.1.0.1", "10.2.0.1")


def restore(site: Site, address: InterfaceAddress) -> None:
    """Add an address again that is tokyo's own."""
    host = site.connect("tokyo").host
    host.add_address(address, "Vip/far")
    host.record_address(address, "")


def test_a_stream_through_a_tunnel_loses_nothing(site: Site) -> None:
    site.apply()
    site.verify()
    host = site.connect("paris").host
    token = host.start_stream(*INSIDE, 0.02, 30)
    if site.real:
        time.sleep(1)
    stream = host.stop_stream(token)
    assert (stream.lost, stream.longest) == (0, 0)
    assert stream.sent > (20 if site.real else 1)


def test_a_stream_without_an_answer_loses_all(site: Site) -> None:
    host = site.connect("paris").host
    token = host.start_stream("10.1.0.1", "192.0.2.1", 0.02, 30)
    if site.real:
        time.sleep(0.5)
    stream = host.stop_stream(token)
    assert 0 < stream.lost == stream.sent
    assert stream.longest == pytest.approx(stream.sent * 0.02)


def test_one_command_probes_many_ways(site: Site) -> None:
    site.apply()
    site.verify()
    nowhere, foreign = ("10.1.0.1", "192.0.2.1"), ("198.51.100.9", "10.2.0.1")
    answered, unanswered, unsent = site.connect("paris").host.probe([INSIDE, nowhere, foreign], 3, 20)
    assert answered is not None
    assert answered.received == answered.sent == bounds.PROBE_REQUESTS
    assert answered.rtt is not None
    assert 0 < answered.rtt < 2
    assert (unanswered, unsent) == (Echoes(bounds.PROBE_REQUESTS, 0), None)


def test_one_command_sends_requests_of_many_sizes(site: Site) -> None:
    site.apply()
    site.verify()
    host = site.connect("paris").host
    assert [ping and ping.received for ping in host.sizes(*INSIDE, 2, (56, 1000))] == [2, 2]
    assert host.sizes("10.1.0.1", "192.0.2.1", 2, (56,)) == (Echoes(2, 0),)
    assert host.sizes("198.51.100.9", "10.2.0.1", 2, (56,)) == (None,)


@REAL
def test_a_size_that_the_router_refuses_is_no_silence(site: Site) -> None:
    """Its own interface in the tunnel has a smaller MTU, of which senders learn."""
    site.apply()
    assert site.connect("paris").host.sizes(*INSIDE, 2, (3000,)) == (Echoes(2, 0, errors=2),)


@REAL
def test_a_stream_that_is_not_stopped_ends_by_itself(site: Site) -> None:
    host = site.connect("paris").host
    token = host.start_stream("10.1.0.1", "10.1.0.1", 0.02, 1)
    time.sleep(2.5)
    assert 10 < host.stop_stream(token).sent <= 75
    with pytest.raises(CommandRejected):
        host.stop_stream(token)


def test_what_was_predicted_is_measured(site: Site) -> None:
    first = site.apply()
    assert (first.cost.losses, first.cost.unmeasured) == ((), ()), "there was nothing to lose"
    site.verify()
    gentle = site.apply(change_tunnels(site.fabric, ike__lifetime=4000)).cost
    (loss,) = gentle.losses
    assert (loss.tunnel, loss.router) == ("paris-tokyo", "paris")
    assert loss.predicted is Disruption.MAKE_BEFORE_BREAK
    assert loss.lost <= IN_FLIGHT < loss.sent or not site.real
    assert gentle.unmeasured == ()


def test_an_interruption_is_measured(site: Site) -> None:
    site.apply()
    site.verify()
    rough = site.apply(change_tunnels(site.fabric, reconnect="now")).cost
    (loss,) = rough.losses
    # It may be over between two requests, where routers are so near to each other.
    assert loss.predicted is Disruption.INTERRUPTS
    assert loss.lost < loss.sent


@REAL
def test_a_gap_is_measured(site: Site) -> None:
    site.apply()
    site.verify()
    host, far = site.connect("paris").host, InterfaceAddress("eth1", "10.2.0.1/24")
    token = host.start_stream(*INSIDE, 0.02, 30)
    time.sleep(0.3)
    site.delete_address("tokyo", far)
    time.sleep(0.5)
    restore(site, far)
    time.sleep(0.3)
    stream = host.stop_stream(token)
    # In steps of the interval that was asked for; a busy router sends more seldom.
    assert 0.2 < stream.longest < 5
    assert stream.lost == pytest.approx(stream.longest / 0.02)
    assert stream.lost < stream.sent


@REAL
def test_what_was_lost_before_the_first_reply_is_distinguished(site: Site) -> None:
    """A tunnel that is repaired has carried nothing before: that is no cost of its repair."""
    site.apply()
    site.verify()
    host, far = site.connect("paris").host, InterfaceAddress("eth1", "10.2.0.1/24")
    site.delete_address("tokyo", far)
    token = host.start_stream(*INSIDE, 0.02, 30)
    time.sleep(0.4)
    restore(site, far)
    time.sleep(0.3)
    stream = host.stop_stream(token)
    assert 0.3 < stream.silent < 5
    # Of what was silent nothing counts.
    assert (stream.lost, stream.longest) == (0, 0)
    assert stream.sent > 0


@CHARONS
def test_a_late_reply_is_no_loss(site: Site, contract_lab: Lab) -> None:
    """A busy router may stand still for longer than any round trip has taken until the stream ends."""

    def charon(signal: str) -> None:
        contract_lab.run(Role.ROUTER, "tokyo", ["pkill", f"-{signal}", "charon-systemd"])

    site.apply()
    site.verify()
    host = site.connect("paris").host
    token = host.start_stream(*INSIDE, 0.02, 30)
    time.sleep(0.5)
    charon("STOP")
    time.sleep(0.2)
    going_on = threading.Timer(0.2, charon, ["CONT"])
    going_on.start()
    stream = host.stop_stream(token)
    going_on.join()
    assert (stream.lost, stream.longest) == (0, 0)
    assert stream.sent > 0
