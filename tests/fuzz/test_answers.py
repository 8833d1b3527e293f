"""Whatever a router answers, a decoder gives a value or says that it was not understood, and runs go on.

`make fuzz` searches longer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.diagnosis import netfilter
from reconciler.facets import connections, files, sas
from reconciler.facets.files.swanctl_conf import SwanctlSyntaxError
from reconciler.facets.firewall import nft_listing
from reconciler.importing import from_reply
from reconciler.importing.separation import MAIN_FILE, Inseparable, collect, separate
from reconciler.model.decoding import from_json, sequence
from reconciler.model.errors import AnswerNotUnderstood, SourceUnavailable
from reconciler.model.isolation import unforeseen
from reconciler.model.router_config import LiveFile, SharedSecret
from reconciler.model.secret import Secret
from reconciler.observe.charon_log import log_line
from reconciler.observe.evidence import _destinations, _route
from reconciler.operations.apply import apply
from reconciler.operations.desired import shown_by_files
from reconciler.operations.diagnose import diagnose_tunnels
from reconciler.operations.observed_plan import judge_plan, observed_plan
from reconciler.operations.status import status_of
from reconciler.operations.verify import verify
from reconciler.report import plan_text, status_text
from reconciler.report.json.lines import dump
from reconciler.report.json.plan import plan_objects
from reconciler.report.json.status import condition_objects
from reconciler.routers import traces
from reconciler.routers.fleet import Fleet
from tests.contract.sites import Site, memory_site
from tests.converged import assert_converged
from tests.fuzz import strategies
from tests.odd import OddRouter, Twists, answers, changed

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 100,
    suppress_health_check=list(HealthCheck),
)
CONVERGED = "tw-paris-tokyo"
RULESET = json.dumps(
    {"nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "foreign", "handle": 1}},
        {"set": {"family": "inet", "table": "foreign", "name": "s", "type": "ipv4_addr", "handle": 2,
                 "elem": ["10.1.0.10", {"prefix": {"addr": "10.2.0.0", "len": 24}},
                          {"elem": {"val": "10.3.0.1", "comment": "x"}}]}},
        {"chain": {"family": "inet", "table": "foreign", "name": "c", "handle": 3, "type": "filter",
                   "hook": "forward", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "inet", "table": "foreign", "name": "n", "handle": 4, "type": "nat",
                   "hook": "postrouting", "prio": 10, "policy": "accept"}},
        {"rule": {"family": "inet", "table": "foreign", "chain": "c", "handle": 5, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@s"}},
            {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "wan*"}},
            {"counter": {"packets": 1, "bytes": 2}}, {"jump": {"target": "c"}}]}},
        {"rule": {"family": "inet", "table": "foreign", "chain": "n", "handle": 6, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}},
                       "right": {"set": [500, {"range": [4000, 4500]}]}}}, {"masquerade": None}]}},
    ]}
)  # fmt: skip
ROUTES = json.dumps([{"dst": "10.2.0.0/25", "dev": "eth1"}, {"dst": "default", "gateway": "192.0.2.1"}])
ROUTE = json.dumps([{"dst": "10.2.0.1", "from": "10.1.0.1", "dev": "eth0", "flags": []}])

TRACES = f"""1764110000 192.0.2.9
{traces.MARK}
1764109990.5 root tw-x.conf
{traces.MARK}
 30 charon
99 uptime
{traces.MARK}
1764109980.1 host sshd[7]: Accepted publickey for root from 192.0.2.7 port 5 ssh2: ED25519 SHA256:x
1764109981.1 host sudo[7]: ann : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/usr/sbin/nft flush ruleset
"""


@cache
def converged() -> Site:
    """Two routers in memory with a tunnel that is up."""
    site = memory_site(Path("/nonexistent"))
    assert_converged(site.apply())
    return site


@cache
def true(command: str, event: str) -> Any:
    """What charon truly says of the tunnel's connection."""
    vici = converged().connect("paris").vici
    return next(item[CONVERGED] for item in vici.stream(command, event))


def table() -> str:
    """The true listing of a table."""
    return str(converged().connect("paris").host.snapshot([]).firewall)


def _walk(said: str) -> None:
    entries = netfilter.read(said)
    for interfaces in ((None, "eth0"), ("wan0", None)):
        for protocol, port in ((17, 500), (1, None)):
            packet = netfilter.Packet("10.1.0.10", "10.2.0.10", protocol, port, interfaces)
            for hook in ("input", "forward", "output", "postrouting"):
                netfilter.dropped(entries, hook, packet)
                netfilter.translated(entries, hook, packet)


def _routes(said: str) -> None:
    _destinations("10.2.0.0/24", sequence(from_json(said, "ip"), "ip"))


DECODERS: dict[str, tuple[Callable[[Any], object], Callable[[], st.SearchStrategy[Any]]]] = {
    "list-conns": (
        lambda value: connections.decode("tw-x", value),
        lambda: strategies.twisted(true("list-conns", "list-conn")),
    ),
    "list-sas": (
        lambda value: sas.decode("tw-x", value),
        lambda: strategies.twisted(true("list-sas", "list-sa")),
    ),
    "an imported connection": (
        lambda value: from_reply("x", value),
        lambda: strategies.twisted(true("list-conns", "list-conn")),
    ),
    "a log": (log_line, lambda: strategies.twisted({"ikesa-name": "x", "ikesa-uniqueid": "1", "msg": "hi"})),
    "the table": (nft_listing.decode, lambda: strategies.listings(table())),
    "a ruleset": (_walk, lambda: strategies.listings(RULESET)),
    "routes": (_routes, lambda: strategies.listings(ROUTES)),
    "a route": (lambda said: _route(("a", "b", "c"), said), lambda: strategies.listings(ROUTE)),
    "traces": (lambda said: traces.read(said, 60), lambda: strategies.twisted_text(TRACES)),
}


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_gives_a_value_or_does_not_understand(name: str) -> None:
    decode, twisted = DECODERS[name]

    @FUZZ
    @given(twisted())
    def decodes(value: Any) -> None:
        try:
            decode(value)
        except AnswerNotUnderstood as error:
            assert len(str(error)) < 1000
            str(error).encode()

    decodes()


def test_a_file_on_a_router_is_read_or_is_not_known() -> None:
    site = converged()
    [(name, file)] = site.connect("paris").host.snapshot([]).files.items()
    connection = name.removesuffix(".conf")
    text = file.content.reveal().decode()
    including = f"include conf.d/*.conf\n{text}"
    wanted = SharedSecret("ike-tw-paris-tokyo-0", ("a",), Secret(b"secret key"))

    @FUZZ
    @given(strategies.twisted_text(text), strategies.twisted_text(including), st.binary(max_size=4))
    def reads(said: str, main: str, more: bytes) -> None:
        content = said.encode(errors="surrogatepass") + more
        file = files.WrittenFile(LiveFile(Secret(content), 0o600))
        for found in (
            files.parse(content),
            file.connection(connection),
            file.secret(wanted),
            file.reconnect,
            file.before(connection, ["ike-x"]),
        ):
            assert r"\udc" not in repr(found), "it can be shown"
        read = {MAIN_FILE: main.encode(errors="surrogatepass"), "/etc/swanctl/conf.d/*.conf": content}
        try:
            whole = collect(MAIN_FILE, lambda path: {path: Secret(read.get(path, b""))})
            separate(whole, connection, {connection}, [connection])
        except (SwanctlSyntaxError, SourceUnavailable, Inseparable):
            pass

    reads()


def twists() -> st.SearchStrategy[Twists]:
    """One answer of a router with something wrong in it."""
    host = converged().connect("paris").host
    vici = converged().connect("paris").vici
    asked = [
        _instead(command, strategies.twisted(vici.request(command)))
        for command in ("version", "stats", "get-shared")
    ]
    streamed = [
        _instead(command, st.lists(strategies.twisted(next(iter(vici.stream(command, event)))), max_size=2))
        for command, event in (("list-conns", "list-conn"), ("list-sas", "list-sa"))
    ]
    [(name, file)] = host.snapshot([]).files.items()
    written = strategies.twisted_text(file.content.reveal().decode())
    return st.one_of(
        *asked,
        *streamed,
        _instead("route", st.lists(strategies.listings(ROUTE), max_size=2).map(tuple)),
        strategies.listings(table()).map(lambda said: {"snapshot": changed(firewall=said)}),
        strategies.listings(RULESET).map(lambda said: {"inspect": changed(ruleset=said)}),
        strategies.listings(ROUTES).map(lambda said: {"inspect": changed(routes=said)}),
        written.map(lambda said: {"snapshot": changed(files={name: _file(said)})}),
    )


def _instead(operation: str, said: st.SearchStrategy[Any]) -> st.SearchStrategy[Twists]:
    return said.map(lambda value: {operation: answers(value)})


def _file(said: str) -> LiveFile:
    return LiveFile(Secret(said.encode(errors="replace")), 0o600)


def test_a_run_over_a_router_of_nonsense_ends_and_concerns_that_router_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconciler.model.bounds.REKEY_SECONDS", 0.0)
    monkeypatch.setattr("reconciler.model.bounds.CHARON_LOG_SECONDS", 0.01)
    monkeypatch.setattr("reconciler.apply.establish.OVERLAP", 0.0)

    @FUZZ
    @given(st.data())
    def runs(data: st.DataObject) -> None:
        site = memory_site(converged().folder)
        assert_converged(site.apply())
        before = unforeseen()
        twist = data.draw(twists())

        def connect(name: str) -> OddRouter:
            return OddRouter(site.connect(name), twist if name == "paris" else {})

        seen = observed_plan(site.fabric, site.store(), Fleet(connect))
        assert "tokyo" in seen.observation.states
        judge_plan(seen, shown_by_files(site.fabric, site.store(), seen.observation.states))
        lines = [line.text for line in plan_text.plan_lines(seen.plan)]
        found = status_of(seen).connections
        lines += [
            line.text for line in status_text.status_lines(found, datetime.now(UTC), every=True, wide=True)
        ]
        lines += [line.text for line in status_text.detail_lines(found)]
        lines += dump(condition_objects(found))
        lines += dump(plan_objects(seen.plan))
        "\n".join(lines).encode()
        verify(site.fabric, site.store(), Fleet(connect))
        diagnose_tunnels(site.fabric, (), site.store(), Fleet(connect))
        apply(seen, Fleet(connect), timeout=0)
        assert unforeseen() == before

    runs()
