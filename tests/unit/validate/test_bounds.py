"""However much is wrong, findings are linear in what was written, and a report is bounded. Nothing is timed:
findings, related places and bytes are counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.load.composer import compose
from reconciler.load.documents import Document, Loaded, Source
from reconciler.load.reading import read
from reconciler.model.bounds import (
    EXPOSED_WRITTEN,
    FIELDS_WRITTEN,
    MOST_CHARACTERS,
    MOST_DOCUMENTS,
    MOST_FINDINGS,
    MOST_KEPT,
    MOST_RELATED,
    MOST_SCHEMA_FINDINGS,
    MOST_VALUES,
    MOST_VALUES_OF_DOCUMENT,
    MOST_YAML_FINDINGS,
)
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location, Severity, reported
from reconciler.model.errors import ExitCode
from reconciler.model.fabric import Fabric
from reconciler.policy import Judgement
from reconciler.report import json_lines, markdown, scanning
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json_lines import diagnostic_object
from reconciler.simulate import between
from reconciler.validate import validate
from schemas.base import MOST_LABELS
from tests.fuzz.limits import bounded

Data = dict[str, object]
MANY = 600
COPIES = 2_000


def document(kind: str, name: str, spec: Data, **metadata: object) -> Data:
    return {
        "apiVersion": "tunnelwright/v1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


def network(name: str, cidr: str) -> Data:
    return document("VpcNetwork", name, {"cidr": cidr})


def tunnel(name: str, **spec: object) -> Data:
    body = {
        "router": "r",
        "vip": {"system": True},
        "peer": {"address": "198.51.100.7", "cidrs": ["10.2.0.0/24"]},
        "source": {"networks": ["lan"]},
        "authentication": {"mode": "psk", "key": {"env": "TUNNELWRIGHT_KEY_K"}},
    }
    return document("IPsecTunnel", name, {**body, **spec})


WAN = document("PublicNetwork", "wan", {"cidr": "203.0.113.0/24"})
LAN = network("lan", "10.1.0.0/24")
ROUTER = document(
    "VpcRouter",
    "r",
    {
        "publicNetworks": [{"network": "wan", "interface": "wan0", "address": "203.0.113.2"}],
        "vpcNetworks": [{"network": "lan", "interface": "lan0", "address": "10.1.0.1"}],
    },
)
BASE = (WAN, LAN, ROUTER)


def peer(*cidrs: str, address: str = "198.51.100.7") -> Data:
    return {"address": address, "cidrs": list(cidrs)}


def addresses() -> Iterator[str]:
    return (
        f"{first}.{second}.{third}.1" for first in (11, 12) for second in range(4) for third in range(256)
    )


def copies(count: int = MANY) -> list[Data]:
    return [*BASE, *(tunnel(f"t{number}") for number in range(count))]


def other_peers() -> list[Data]:
    ends = zip(range(MANY), addresses(), strict=False)
    return [*BASE, *(tunnel(f"t{number}", peer=peer("10.2.0.0/24", address=to)) for number, to in ends)]


def one_covers_all() -> list[Data]:
    ends = zip(range(MANY), addresses(), strict=False)
    inner = [
        tunnel(f"t{number}", peer=peer(f"10.{2 + number // 256}.{number % 256}.0/24", address=to))
        for number, to in ends
    ]
    return [*BASE, *inner, tunnel("wide", peer=peer("10.0.0.0/8"))]


def networks_of_one_router() -> list[Data]:
    lans = [network(f"n{number}", "10.1.0.0/24") for number in range(1_000)]
    attached = [
        {"network": f"n{number}", "interface": f"l{number}", "address": "10.1.0.1"} for number in range(1_000)
    ]
    public = [{"network": "wan", "interface": "wan0", "address": "203.0.113.2"}]
    router = document("VpcRouter", "r", {"publicNetworks": public, "vpcNetworks": attached})
    crossing = [
        tunnel(f"t{number}", source={"networks": ["n1"]}, peer=peer("10.0.0.0/8", address=to))
        for number, to in zip(range(500), addresses(), strict=False)
    ]
    return [WAN, router, *lans, *crossing]


def public_networks() -> list[Data]:
    return [document("PublicNetwork", f"n{number}", {"cidr": "203.0.113.0/24"}) for number in range(MANY)]


def ranges() -> list[Data]:
    same = [{"name": "same", "first": "203.0.113.2", "last": "203.0.113.9"}] * 1_000
    return [document("PublicNetwork", "wan", {"cidr": "203.0.113.0/24", "normalRanges": same})]


def one_tunnel_of_255() -> list[Data]:
    return [*BASE, tunnel("t", peer=peer(*["10.2.0.0/24"] * 255))]


def names() -> list[Data]:
    return [network("same", "10.1.0.0/24") for _ in range(MANY)]


def vips() -> list[Data]:
    spec = {"router": "r", "publicNetwork": "wan", "address": "203.0.113.9", "managed": False}
    return [*BASE, *(document("Vip", f"v{number}", spec) for number in range(MANY))]


def routers() -> list[Data]:
    spec: Data = ROUTER["spec"]  # type: ignore[assignment]
    return [WAN, LAN, *(document("VpcRouter", f"r{number}", spec) for number in range(MANY))]


def previous_names() -> list[Data]:
    ends = zip(range(MANY), addresses(), strict=False)
    made = []
    for number, to in ends:
        made.append(
            tunnel(f"t{number}", peer=peer(f"10.{2 + number // 256}.{number % 256}.0/24", address=to))
        )
        made[-1]["metadata"] = {"name": f"t{number}", "previousNames": ["old"]}
    return [*BASE, *made]


def dangling() -> list[Data]:
    lans = [network(f"n{number}", "10.1.0.0/24") for number in range(MANY)]
    return [WAN, LAN, *lans, *(tunnel(f"t{number}", router=f"q{number}") for number in range(MANY))]


def half_pairs() -> list[Data]:
    ends = zip(range(MANY), addresses(), strict=False)
    return [
        *BASE,
        *(
            tunnel(
                f"t{number}",
                peer={"managed": True, **peer(f"10.{2 + number // 256}.{number % 256}.0/24", address=to)},
            )
            for number, to in ends
        ),
    ]


FAMILIES: Mapping[Callable[[], list[Data]], tuple[str, ...]] = {
    copies: ("ambiguous-tunnels", "duplicate-peer"),
    other_peers: ("ambiguous-tunnels",),
    one_covers_all: ("ambiguous-tunnels",),
    networks_of_one_router: ("network-overlap", "peer-cidr-overlap"),
    public_networks: ("network-overlap",),
    ranges: ("duplicate-name", "range-overlap"),
    one_tunnel_of_255: ("peer-cidr-overlap",),
    names: ("duplicate-name",),
    vips: ("address-taken",),
    routers: ("address-taken",),
    previous_names: ("previous-name-in-use",),
    dangling: ("dangling-reference",),
    half_pairs: ("mirror-missing",),
}
"""What is written, and what is reported of nearly each of it."""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_findings_are_linear_in_what_is_written(family: Callable[[], list[Data]], tmp_path: Path) -> None:
    documents = family()
    written = "\n---\n".join(map(json.dumps, documents))
    (tmp_path / "all.yaml").write_text(written)
    _, found = validate(load_tree(tmp_path))
    items = list(found)
    of = Counter(item.code for item in items)
    assert all(of[code] > 100 for code in FAMILIES[family])
    assert len(items) < min(2 * written.count('"'), 4 * max(len(documents), 1_001))
    assert max(len(item.related) for item in items) <= MOST_RELATED
    size = sum(len(json.dumps(diagnostic_object(item))) for item in items)
    assert size < 2_000 * len(items)


def test_what_two_thousand_copies_overlap_is_counted_not_listed(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("\n---\n".join(map(json.dumps, copies(COPIES))))
    _, found = validate(load_tree(tmp_path))
    ambiguous = [item for item in found if item.code == "ambiguous-tunnels"]
    assert len(ambiguous) == COPIES - 1
    pairs = sum(len(item.related) + item.more_related for item in ambiguous)
    assert pairs == COPIES * (COPIES - 1) // 2, "every pair counts once"
    worst = max(ambiguous, key=lambda item: item.more_related)
    assert worst.more_related == COPIES - 1 - MOST_RELATED
    assert f"and {COPIES - 2} more peer CIDRs" in worst.message


def nested(count: int) -> list[Data]:
    """Tunnels of which each has 24 networks inside one another, and inside those of all others."""
    cidrs = [f"10.0.0.0/{length}" for length in range(8, 32)]
    return [
        *BASE,
        *(
            tunnel(f"t{number}", peer=peer(*cidrs, address=to))
            for number, to in zip(range(count), addresses(), strict=False)
        ),
    ]


def test_findings_that_nobody_keeps_are_counted_without_looking_for_their_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = Counter[str]()
    parts = Document._parts

    def counting(self: Document, path: Path) -> tuple[int, int]:
        looked["for"] += 1
        return parts(self, path)  # type: ignore[arg-type]

    monkeypatch.setattr(Document, "_parts", counting)
    _, found = validated(nested(2_000))
    assert sum(item.stands_for for item in found) > 60_000
    assert len(list(found)) == MOST_KEPT + 1
    assert looked["for"] < (MOST_RELATED + 1) * MOST_KEPT + 10_000


def test_networks_inside_one_another_are_reported_within_the_limits() -> None:
    documents = nested(700)
    with bounded():
        validated(documents)


def test_annotations_that_nobody_knows_are_one_finding() -> None:
    """And those that may be there are looked at within the limits."""
    notes = {f"tunnelwright/reconect{number}": "x" for number in range(2_000)}
    documents = [*BASE, *(tunnel(f"t{number}") for number in range(20))]
    for item in documents[len(BASE) :]:
        item["metadata"] = {"name": item["metadata"]["name"], "annotations": notes}  # type: ignore[index]
    with bounded():
        _, found = validated(documents)
    assert Counter(item.code for item in found) == {"out-of-range": 20}
    assert {item.path for item in found} == {"metadata.annotations"}
    few = dict(list(notes.items())[:MOST_LABELS])
    for item in documents[len(BASE) :]:
        item["metadata"] = {**item["metadata"], "annotations": few}  # type: ignore[dict-item]
    with bounded():
        _, found = validated(documents)
    assert Counter(item.code for item in found)["unknown-annotation"] == 20 * MOST_LABELS


def test_the_output_of_two_thousand_copies_is_small_and_counts_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "all.yaml").write_text("\n---\n".join(map(json.dumps, copies(COPIES))))
    assert main(["validate", str(tmp_path)]) == ExitCode.INVALID
    said = capsys.readouterr().err
    count = 2 * (COPIES - 1)
    assert len(said) < 1_000_000
    assert f"{count - MOST_FINDINGS} more errors from here on (more-findings)" in said
    assert f"\n{count} errors\n" in said
    assert main(["validate", "--json", str(tmp_path)]) == ExitCode.INVALID
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [item for item in objects if item["type"] == "diagnostic"]
    assert len(told) == MOST_FINDINGS + 1
    assert sum(item["stands_for"] for item in told) == count


def test_so_many_findings_are_counted_that_nobody_keeps_them() -> None:
    found = Diagnostics()
    for number in range(MOST_KEPT + 30):
        found.warning("lock-stale", Location("lock", number + 1, 1), "stale")
    assert found.errors == ()
    found.error("wrong-type", Location("a"), "wrong")
    assert len(list(found)) == MOST_KEPT + 2
    *_, last = found
    assert (last.code, last.stands_for, last.location.line) == ("more-findings", 30, MOST_KEPT + 1)
    shown = reported(found)
    assert [item.code for item in shown if item.severity is Severity.ERROR] == ["wrong-type"]
    assert sum(item.stands_for for item in shown) == MOST_KEPT + 31


def many_pairs(routers: int, tunnels: int, networks: int, version: int = 2) -> list[Data]:
    """So many tunnels on each router, of which each has so many networks at either end."""
    lans = [network(f"n{number}", f"10.1.{number}.0/24") for number in range(networks)]
    source = {"networks": [f"n{number}" for number in range(networks)]}
    made: list[Data] = [document("PublicNetwork", "wan", {"cidr": "203.0.0.0/16"}), *lans]
    for on in range(routers):
        attached = [
            {"network": f"n{number}", "interface": f"l{number}", "address": f"10.1.{number}.{on + 1}"}
            for number in range(networks)
        ]
        public = [{"network": "wan", "interface": "wan0", "address": f"203.0.113.{on + 2}"}]
        made.append(document("VpcRouter", f"r{on}", {"publicNetworks": public, "vpcNetworks": attached}))
        made += [
            tunnel(
                f"r{on:02}-t{number:02}",
                router=f"r{on}",
                source=source,
                ike={"version": version},
                peer=peer(
                    *(f"10.{2 + number}.{net}.0/24" for net in range(networks)),
                    address=f"198.51.100.{number + 1}",
                ),
            )
            for number in range(tunnels)
        ]
    return made


def validated(documents: list[Data]) -> tuple[Fabric, Diagnostics]:
    content = "\n---\n".join(map(json.dumps, documents)).encode()
    return validate(read({"all.yaml": content}, Source("", ""), Diagnostics()))


@pytest.mark.parametrize(
    ("multiplied", "where", "said"),
    [
        (
            (1, 1, 255),
            "r00-t00",
            "the tunnel carries 65,025 pairs of a source and a peer network; at most 4,096",
        ),
        ((1, 1, 33, 1), "r00-t00", "at most 1,024 are supported with IKEv1, which needs an SA for each"),
        (
            (1, 7, 64),
            "r00-t06",
            "the router 'r0' has 28,672 pairs of a source and a peer network; at most 25,000",
        ),
        ((9, 6, 64), "r08-t00", "there are 200,704 pairs of a source and a peer network; at most 200,000"),
    ],
    ids=["tunnel", "IKEv1", "router", "fabric"],
)
def test_networks_that_multiply_are_bounded(multiplied: tuple[int, ...], where: str, said: str) -> None:
    _, found = validated(many_pairs(*multiplied))
    first, *_ = [item for item in found if item.code == "too-many-pairs"]
    assert {item.code for item in found} == {"too-many-pairs"}
    assert first.path == "spec.peer.cidrs"
    assert said in first.message
    written = many_pairs(*multiplied)[first.location.line // 2]
    assert written["metadata"] == {"name": where}


@pytest.mark.parametrize(
    "multiplied", [(1, 1, 64), (1, 1, 32, 1), (1, 3, 64)], ids=["tunnel", "IKEv1", "tunnels"]
)
def test_what_a_router_can_hold_is_planned_within_the_limits(multiplied: tuple[int, ...]) -> None:
    """From nothing, to other networks at every end, and back to nothing."""
    documents = many_pairs(*multiplied)
    full, found = validated(documents)
    assert not found.errors
    moved, found = validated(json.loads(json.dumps(documents).replace('"10.', '"11.')))
    assert not found.errors
    none = replace(full, tunnels={})
    for before, after in ((none, full), (full, moved), (full, none)):
        with bounded():
            plan = between(before, after, datetime.now(UTC)).plan
        assert not plan.empty
        written = list(json_lines.plan_objects(plan))
        tables = [item for item in written if item.get("kind") == "firewall"]
        assert all(len(item["changes"]) == FIELDS_WRITTEN for item in tables if "more_changes" in item)
        for item in tables:
            [change] = [c for c in plan.changes if c.resource.kind == "firewall"]
            assert len(item["changes"]) + item.get("more_changes", 0) == len(change.changes)
        told = [item for item in written if item["type"] == "exposed"]
        assert len(told) == min(len(plan.exposed), EXPOSED_WRITTEN)
        assert len(told) + written[-1].get("more_exposed", 0) == len(plan.exposed)


def findings(errors: int, warnings: int) -> Diagnostics:
    found = Diagnostics()
    for number in range(max(errors, warnings)):
        if number < errors:
            found.error("wrong-type", Location(f"{number:05}.yaml", 1, 1), f"error {number}")
        if number < warnings:
            found.warning("lock-stale", Location(f"{number:05}.yaml", 2, 1), f"warning {number}")
    return found


@pytest.mark.parametrize(
    ("errors", "warnings", "kept"),
    [
        (10, 10, (10, 10)),
        (900, 0, (500, 0)),
        (0, 900, (0, 500)),
        (400, 900, (400, 100)),
        (900, 900, (500, 0)),
    ],
)
def test_every_format_counts_what_it_leaves_out(errors: int, warnings: int, kept: tuple[int, int]) -> None:
    shown = reported(findings(errors, warnings))
    ordinary = [item for item in shown if item.code != "more-findings"]
    of = Counter(item.severity for item in ordinary)
    assert (of[Severity.ERROR], of[Severity.WARNING]) == kept
    total: Counter[Severity] = Counter()
    for item in shown:
        total[item.severity] += item.stands_for
    assert (total[Severity.ERROR], total[Severity.WARNING]) == (errors, warnings)
    left = errors + warnings - sum(kept)
    text = "\n".join(line.text for line in diagnostic_lines(shown))
    assert not errors or f"{errors} errors" in text.splitlines()[-1]
    assert not warnings or f"{warnings} warnings" in text.splitlines()[-1]
    sarif = json.loads(scanning.sarif(shown, "1"))["runs"][0]["results"]
    junit = ElementTree.fromstring(scanning.junit(shown, []))  # noqa: S314 - our own
    comment = markdown.comment(None, Judgement(), (), shown, base="a", head="b", unchanged="")
    if left:
        assert any(item["ruleId"] == "more-findings" for item in sarif)
        assert " more " in "".join(junit.itertext())
    if errors:
        assert f"{errors + warnings} findings" in comment
    assert len(sarif) == len(shown) <= MOST_FINDINGS + 2


def test_texts_and_related_places_are_bounded() -> None:
    found = Diagnostics()
    places = tuple(Location("f", number, 1) for number in range(1, 1_001))
    found.error(
        "c", Location("f"), "x" * 10**6 + " is wrong", path="y" * 10**6, related=places, more_related=7
    )
    [item] = found
    assert len(item.message) < MOST_CHARACTERS + 100
    assert item.message.endswith("x is wrong")
    assert f"{10**6 + 9 - MOST_CHARACTERS} more characters" in item.message
    assert len(item.path) < MOST_CHARACTERS + 100
    assert item.related == places[:MOST_RELATED]
    assert item.more_related == 1_000 - MOST_RELATED + 7
    assert "see also: 1002 more" in "\n".join(line.text for line in diagnostic_lines(found))
    assert diagnostic_object(item)["more_related"] == 1002


def composed(content: bytes) -> tuple[list[Document], bool, list[Diagnostic]]:
    found = Diagnostics()
    documents, whole = compose(content, "f.yaml", found)
    return documents, whole, list(found)


@pytest.mark.parametrize(
    "content",
    [
        b"a: &x 1\n" + b"".join(b"k%d: *x\n" % number for number in range(100_000)),
        b"a:\n" + b"- *x\n" * 500_000,
        b"a: b\n" * 500_000,
        b"a:\n" + b"- !!str x\n" * 300_000,
        b"? []\n: 1\n" * 300_000,
    ],
    ids=["aliases", "alias-list", "duplicates", "tags", "keys"],
)
def test_a_file_is_given_up_after_a_hundred_findings(content: bytes) -> None:
    documents, whole, found = composed(content)
    assert documents == []
    assert not whole
    assert len(found) == MOST_YAML_FINDINGS + 1
    [given_up] = [item for item in found if item.code == "too-many-findings"]
    assert given_up.location.line <= MOST_YAML_FINDINGS * 2 + 2
    assert "100 findings in this file so far; the rest of it was not read" in given_up.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [" + b"1," * (MOST_VALUES + 1) + b"]", f"more than {MOST_VALUES:,} keys and values"),
        (b"--- {}\n" * (MOST_DOCUMENTS + 1), f"more than {MOST_DOCUMENTS:,} documents"),
        (b"---\n" * (MOST_DOCUMENTS + 1), f"more than {MOST_DOCUMENTS:,} documents"),
    ],
    ids=["values", "documents", "empty-documents"],
)
def test_a_file_of_too_much_is_refused(content: bytes, said: str) -> None:
    _, whole, found = composed(content)
    assert not whole
    [item] = found
    assert item.code == "yaml-too-large"
    assert said in item.message


def test_a_document_of_too_much_is_refused_before_it_is_looked_at() -> None:
    """And what refers to it is not blamed."""
    labels = {f"k{number}": "v" for number in range(MOST_VALUES_OF_DOCUMENT)}
    large = document("VpcNetwork", "lan", {"cidr": "10.1.0.0/24"}, labels=labels)
    content = "\n---\n".join(map(json.dumps, (WAN, ROUTER, large))).encode()
    documents, _, _ = composed(content)
    _, found = validate(Loaded(tuple(documents), (), Source("", ""), "", "vips.lock.yaml"))
    assert [item.code for item in found] == ["document-too-large"]
    assert documents[1].values < 100


def test_the_fields_of_one_document_are_reported_up_to_a_hundred() -> None:
    spec: Data = {"cidr": "10.1.0.0/24", **{f"field{number}": 1 for number in range(9_000)}}
    documents, _, _ = composed(json.dumps(document("VpcNetwork", "lan", spec)).encode())
    _, found = validate(Loaded(tuple(documents), (), Source("", ""), "", "vips.lock.yaml"))
    assert Counter(item.code for item in found) == {
        "unknown-field": MOST_SCHEMA_FINDINGS,
        "too-many-findings": 1,
    }
    assert any("8900 more fields" in item.message for item in found)


def test_a_file_that_cannot_be_read_may_define_anything_when_it_is_large() -> None:
    """It is not searched for each of thousands of names."""
    small, large = (Loaded((), (), Source("", ""), "", "", unread=("x " * n + "name",)) for n in (9, 200_000))
    assert small.may_define("name")
    assert not small.may_define("other")
    assert large.may_define("other")
