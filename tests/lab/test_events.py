"""What a service knows of real tunnels between runs, and charon's own words about one of them."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine import Engine, until
from lab.session import Lab
from lab.topology import RELEASES, Role
from reconciler.cli.main import main
from reconciler.history.kept import Kept
from reconciler.load import load_tree
from reconciler.model.condition import State
from reconciler.model.tunnel_event import TunnelChange, TunnelEvent
from reconciler.secrets import FOLDER, SecretStore
from reconciler.service.prober import Prober
from reconciler.service.watch import Watch
from reconciler.validate import validate
from tests.lab.bench import EXAMPLE, OURS, THEIRS, Bench
from tests.lab.releases import NEW, OLD, Pair, label, of_sites, pairs

pytestmark = pytest.mark.engine
DOWN, UP, REKEYED = TunnelChange.DOWN, TunnelChange.UP, TunnelChange.REKEYED
PLANTED = "PLANTED-5e1f0a9c7b-of-these-two"


@pytest.fixture(scope="module", params=pairs((NEW, OLD)), ids=label)
def bench(
    request: pytest.FixtureRequest, engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    pair: Pair = request.param
    loaded = load_tree(EXAMPLE)
    fabric, _ = validate(loaded)
    keys = tmp_path_factory.mktemp("keys")
    keys.chmod(0o700)
    (keys / FOLDER).mkdir()
    for name in ("site-a--site-b.psk", "site-a--site-c.psk"):
        (keys / FOLDER / name).touch(mode=0o600)
        (keys / FOLDER / name).write_text(f"{PLANTED}-{name}")
    name = f"evt{os.getpid():x}{pair[0][0]}{pair[1][0]}"
    with Lab.up(fabric, name, engine=engine, image=image, releases=of_sites(pair)) as lab:
        found = Bench(lab, EXAMPLE, keys, SecretStore(keys), fabric, loaded)
        found.apply()
        yield found


class Service:
    """What follows all routers of the bench."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.events: list[TunnelEvent] = []
        self.history = Kept(folder / "history.db")
        self.watch = Watch(self.history, self.events.append, lambda _: None)
        self.watch.follow(bench.fabric, bench.fleet)
        assert until(lambda: all(self.watch.followed().values()), 30)

    def of(self, tunnel: str) -> list[TunnelChange]:
        return [event.change for event in self.events if event.tunnel == tunnel]


@pytest.fixture
def service(bench: Bench, tmp_path: Path) -> Iterator[Service]:
    up(bench)
    found = Service(bench, tmp_path)
    yield found
    found.watch.close()


def up(bench: Bench) -> None:
    assert bench.diagnose().findings == (), "it brings up what is down"


def test_what_happens_to_a_tunnel_is_known_at_both_ends_and_of_no_other(
    bench: Bench, service: Service
) -> None:
    # One after the other: while an IKE_SA is rekeyed, its CHILD_SAs are refused (TEMPORARY_FAILURE, RFC 7296,
    # 2.25), and charon tries again after 5 to 15 seconds.
    for rekey, sa in (({"ike": OURS}, "IKE_SA"), ({"child": "net"}, "CHILD_SA")):
        bench.vici("router-a", "rekey", rekey)
        ends = {("tunnel_rekeys", f"{end} {sa}") for end in ("router-a a-to-b", "router-b b-to-a")}
        assert until(lambda ends=ends: ends <= set(service.history.counts()), 20)  # type: ignore[misc]
    assert service.events == [], "a rekey interrupts nothing"
    bench.down()
    assert until(lambda: (service.of("a-to-b"), service.of("b-to-a")) == ([DOWN], [DOWN]), 20)
    up(bench)
    assert until(lambda: (service.of("a-to-b"), service.of("b-to-a")) == ([DOWN, UP], [DOWN, UP]), 20)
    assert service.of("a-to-c") == []
    assert [event.change for event in service.history.tunnel_events("a-to-b", 9)] == [UP, DOWN]


def test_an_alert_names_the_tunnel_where_charon_has_alerts(bench: Bench, service: Service) -> None:
    """From 6.0.3 on; each release reports the failed attempt."""
    bench.load_key(b"another key altogether")
    bench.down()
    assert until(lambda: DOWN in service.of("a-to-b"), 20)
    with bench.connect("router-a") as router, pytest.raises(Exception, match="CHILD_SA"):
        list(router.vici.stream("initiate", "control-log", {"ike": OURS, "child": "net", "timeout": "5000"}))
    assert until(lambda: TunnelChange.FAILED in service.of("a-to-b"), 20)
    alerting = {
        node.name
        for node in bench.lab.routers
        if tuple(map(int, RELEASES[node.release].split("."))) >= (6, 0, 3)
    }
    if "router-a" in alerting:
        assert until(lambda: TunnelChange.ALERT in service.of("a-to-b"), 20)
    found = {event.detail for event in service.events if event.change is TunnelChange.ALERT}
    assert found <= {"local-auth-failed", "peer-auth-failed"}
    assert bool(found) is bool(alerting & {"router-a", "router-b"})
    bench.sh("router-b", "swanctl --load-all")
    up(bench)


def test_a_charon_that_is_killed_is_followed_again(bench: Bench, service: Service) -> None:
    (bench.lab.places.run("router-b") / "ready").unlink()
    bench.sh("router-b", "pkill -KILL charon-systemd")
    bench.lab.wait_ready("router-b")
    assert until(lambda: DOWN in service.of("b-to-a"), 30)
    assert until(lambda: all(service.watch.followed().values()), 30)
    bench.down()
    up(bench)
    assert until(lambda: service.of("b-to-a")[-1:] == [UP], 20)
    assert service.of("a-to-c") == []


def test_a_tunnel_that_is_up_and_carries_nothing_is_found_by_its_probes(bench: Bench, tmp_path: Path) -> None:
    up(bench)
    events: list[TunnelEvent] = []
    prober = Prober(Kept(tmp_path / "history.db"), events.append, lambda _: None, 1.0, 20)

    def state(name: str) -> State:
        return next(one.state for one in prober.known() if one.connection == name)

    prober.follow(bench.fabric, bench.fleet)
    try:
        assert until(lambda: state("a-to-b") is State.CARRYING, 20)
        # What site B's router decrypts goes no further.
        bench.sh("router-b", "nft add table ip swallows")
        bench.sh("router-b", "nft 'add chain ip swallows in { type filter hook input priority 0; }'")
        bench.sh("router-b", "nft add rule ip swallows in icmp type echo-request drop")
        assert until(lambda: state("a-to-b") is State.SILENT, 40)
        bench.sh("router-b", "nft delete table ip swallows")
        assert until(lambda: state("a-to-b") is State.CARRYING, 40)
    finally:
        bench.sh("router-b", "nft delete table ip swallows 2>/dev/null || true")
        prober.close()
    assert [event.change for event in events if event.tunnel in {"a-to-b", "b-to-a"}] == [
        TunnelChange.IMPAIRED,
        TunnelChange.CARRYING,
    ]
    assert state("a-to-c") is State.CARRYING, "no other tunnel is touched"


def test_the_words_are_of_one_tunnel_and_hold_no_key(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """While both of its routers negotiate another tunnel as well, and write every key to their own logs."""
    up(bench)
    bench.down()
    words = ["log", "a-to-b", str(EXAMPLE), "--lab", bench.lab.name, "--seconds", "8", "--json"]
    codes: list[int] = []
    listening = threading.Thread(target=lambda: codes.append(main(words)))
    listening.start()
    # The lines of an attempt that began too early are not all there: so there are several.
    while listening.is_alive():
        bench.down()
        for tunnel, connection in (("b", OURS), ("c", "tw-a-to-c")):
            with bench.connect("router-a") as router:
                message = {"ike": connection, "child": "net", "timeout": "3000"}
                try:
                    list(router.vici.stream("initiate", "control-log", message))
                except Exception as error:  # noqa: BLE001 - it is up already
                    assert "CHILD_SA" in str(error), tunnel
        listening.join(1)
    assert codes == [0]
    said = capsys.readouterr().out
    lines = [json.loads(line) for line in said.splitlines()[1:]]
    texts = [item["text"] for item in lines]
    assert {(item["type"], item["router"], item["tunnel"]) for item in lines} == {
        ("charon_log", "router-a", "a-to-b"),
        ("charon_log", "router-b", "b-to-a"),
    }
    assert any("established" in text and OURS in text for text in texts)
    assert any("established" in text and THEIRS in text for text in texts)
    assert not any("a-to-c" in text for text in texts)
    # The routers of the lab log keys: what is searched for is there to be found.
    written = bench.lab.run(Role.ROUTER, "router-a", ["cat", "/var/log/charon/charon.log"])
    assert "encryption key" in written or "key =>" in written
    assert "=> " not in said, "no line shows bytes"
    for key in (PLANTED, base64.b64encode(PLANTED.encode()).decode()[:12], PLANTED.encode().hex()):
        assert key not in said
