"""However much is wrong, findings are linear in what was written, and a report is bounded. Nothing is timed:
findings, related places and bytes are counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.load.documents import Document
from reconciler.model.bounds import MOST_CHARACTERS, MOST_FINDINGS, MOST_KEPT, MOST_RELATED
from reconciler.model.diagnostic import Diagnostics, Location, Severity, reported
from reconciler.model.errors import ExitCode
from reconciler.policy import Judgement
from reconciler.report import markdown
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.report.junit import junit
from reconciler.report.sarif import sarif
from reconciler.validate import validate
from schemas.base import MOST_LABELS
from tests.fuzz.limits import bounded
from tests.unit.validate.written import (
    BASE,
    LAN,
    ROUTER,
    WAN,
    Data,
    addresses,
    document,
    network,
    peer,
    tunnel,
    validated,
)

MANY = 600
COPIES = 2_000


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
    assert f"and {COPIES - 2:,} more peer CIDRs" in worst.message


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


def test_findings_that_are_not_kept_are_counted_without_looking_for_their_places(
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
    documents = nested(350)
    with bounded():
        validated(documents)


def test_unknown_annotations_are_one_finding() -> None:
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
    assert f"{count - MOST_FINDINGS:,} more errors from here on (more-findings)" in said
    assert f"\n{count:,} errors\n" in said
    assert main(["validate", "--json", str(tmp_path)]) == ExitCode.INVALID
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    written = [item for item in objects if item["type"] == "diagnostic"]
    assert len(written) == MOST_FINDINGS + 1
    assert sum(item["stands_for"] for item in written) == count


def test_more_findings_are_counted_than_are_kept() -> None:
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
    results = json.loads(sarif(shown, "1"))["runs"][0]["results"]
    suite = ElementTree.fromstring(junit(shown, []))  # noqa: S314 - our own
    comment = markdown.comment(None, Judgement(), (), shown, base="a", head="b", unchanged="")
    if left:
        assert any(item["ruleId"] == "more-findings" for item in results)
        assert " more " in "".join(suite.itertext())
    if errors:
        assert f"{errors + warnings:,} findings" in comment
    assert len(results) == len(shown) <= MOST_FINDINGS + 2


def test_texts_and_related_places_are_bounded() -> None:
    found = Diagnostics()
    places = tuple(Location("f", number, 1) for number in range(1, 1_001))
    found.error(
        "c", Location("f"), "x" * 10**6 + " is wrong", path="y" * 10**6, related=places, more_related=7
    )
    [item] = found
    assert len(item.message) < MOST_CHARACTERS + 100
    assert item.message.endswith("x is wrong")
    assert f"{10**6 + 9 - MOST_CHARACTERS:,} more characters" in item.message
    assert len(item.path) < MOST_CHARACTERS + 100
    assert item.related == places[:MOST_RELATED]
    assert item.more_related == 1_000 - MOST_RELATED + 7
    assert "see also: 1002 more" in "\n".join(line.text for line in diagnostic_lines(found))
    assert diagnostic_object(item)["more_related"] == 1002
