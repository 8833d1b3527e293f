"""Each encoder, against a reader of its format."""

from __future__ import annotations

import json
import logging
import re
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from bench.timeline_svg import Moment, Panel, Sent, drawing
from reconciler.cli.output import show_log
from reconciler.model.absence import Absence, AbsenceKind
from reconciler.model.bounds import LONGEST_LINE
from reconciler.model.diagnostic import Diagnostic, Location, Severity
from reconciler.model.fabric import Fabric
from reconciler.model.plan import Plan, Resource, ResourceKind
from reconciler.model.visible import encodable, visible
from reconciler.policy import Deferral, Judgement, Override, Refusal
from reconciler.report.encoding import chat, code, json_text, prose, sarif_message, uri
from reconciler.report.junit import junit
from reconciler.report.line import Line
from reconciler.report.markdown import comment
from reconciler.report.mermaid import graph_lines
from reconciler.report.sarif import sarif
from reconciler.report.sheets import FORMATS
from reconciler.report.sheets.mirrored import mirrored
from reconciler.report.sheets.render import render
from reconciler.report.sheets.vendor_values import Inexpressible
from reconciler.service.log import EventLog
from reconciler.service.metric_families import CHILD_UP
from reconciler.service.metrics import _family
from tests.fabrics import two_routers
from tests.unit.outputs.nasty import ALL, SEEN, SURROGATES, TEXTS
from tests.unit.outputs.parsing import (
    check_junit,
    check_lines,
    check_markdown,
    check_metrics,
    check_sarif,
    check_terminal,
)

ANY = st.text(st.characters(exclude_categories=()))
"""Lone surrogates included."""
VALUES = st.recursive(
    ANY | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY, inner)
)


@given(ANY)
@example(ALL)
def test_a_line_is_one_printable_line(text: str) -> None:
    line = Line(text).text
    check_lines(line)
    assert visible(line) == line


@pytest.mark.parametrize("text", [*TEXTS, *SURROGATES, ALL])
def test_a_terminal_shows_what_was_written(text: str) -> None:
    check_terminal(f"{Line(text).text}\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich → 東京 ✓", "Zürich → 東京 ✓"),
        ("a\r\n\tb\x1b\x9b", "a\\r\\n\\tb\\x1b\\x9b"),
        ("\u202e\U000e0041", "\\u202e\\U000e0041"),
        ("e\udcff\ud800", "e\\xff\\ud800"),
        (" ::x", " \\x3a:x"),
        ("a ##[b] ##vso[c] ##d", "a #\\x23[b] #\\x23vso[c] ##d"),
        ("a::b", "a::b"),
    ],
)
def test_what_is_escaped_is_seen_and_the_rest_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["x" * (LONGEST_LINE + 1), "\x1b" * LONGEST_LINE])
def test_a_line_ends_and_says_so(text: str) -> None:
    shown = visible(text)
    assert len(shown) <= LONGEST_LINE
    assert shown.endswith("more characters)")
    assert visible(shown) == shown
    assert visible("x" * LONGEST_LINE) == "x" * LONGEST_LINE


def test_a_log_is_printable_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_log()
    logger = logging.getLogger("alone")
    monkeypatch.setattr(logger, "propagate", False)
    logger.error("said %s", ALL, exc_info=ValueError(ALL))
    shown = capsys.readouterr().err
    check_lines(shown)
    assert shown.startswith("error: said ")


@given(VALUES)
@example({ALL: [ALL, "\U0001f600"]})
def test_json_gives_back_all_that_has_an_encoding(value: object) -> None:
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        check_lines(text)
        assert text.isascii()
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    if not re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False)):
        assert json.loads(json_text(value)) == value


def test_events_are_json_with_any_text(capsys: pytest.CaptureFixture[str]) -> None:
    log = EventLog(sys.stdout)
    log._write("info", "step", message=ALL, details={ALL: [ALL]})
    [line] = capsys.readouterr().out.splitlines()
    check_lines(line)
    assert json.loads(line)["message"] == encodable(ALL)


@given(ANY)
@example(ALL)
@example("")
@example("`")
def test_code_in_markdown_is_nothing_but_code(text: str) -> None:
    for place in ("- x {} y", "| a | b |\n|---|---|\n| c | {} |", "### x {}"):
        tokens = MarkdownIt("gfm-like").parse(place.format(code(text)))
        inline = [token for token in tokens if token.type == "inline" and "`" in token.content]
        assert [c.type for t in inline for c in t.children or () if c.type != "text"] == ["code_inline"]


@given(ANY)
def test_prose_in_markdown_is_text_or_code(text: str) -> None:
    tokens = MarkdownIt("gfm-like").parse(f"- x ({prose(text)})")
    assert [t.type for t in tokens if t.nesting == 1] == [
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
    ]
    assert {c.type for t in tokens for c in t.children or ()} <= {"text", "code_inline"}


def test_prose_stays_prose() -> None:
    for text in ("the configuration differs", "10.3.0.1/24 has bits set beyond its prefix length"):
        assert prose(text) == text
    for text in ("1. item", "a_b_c", "see https://evil.example", "www.evil.example", "@you", "GH-1", "x "):
        assert prose(text) == f"`{text}`"


def nasty_comment(text: str) -> str:
    resources = (Resource(text, ResourceKind.TUNNEL, text),)
    plan = Plan((), {text: Absence(AbsenceKind.UNREACHABLE, text)}, {text: text})
    judgement = Judgement(
        refusals=(Refusal(resources, text, "", Override.DELETIONS),),
        deferrals=(Deferral(resources, text, Override.WINDOWS),),
    )
    found = [Diagnostic(Severity.ERROR, "code", Location(text, 1, 1), text, text, text, text)]
    return comment(plan, judgement, (text,), found, base=text, head=text, unchanged=text)


@pytest.mark.parametrize("text", [*TEXTS, *SURROGATES, ALL])
def test_a_comment_keeps_its_structure(text: str) -> None:
    check_markdown(nasty_comment(text))


@pytest.mark.parametrize("text", [*TEXTS, *SURROGATES, ALL])
def test_scanners_get_what_they_read(text: str) -> None:
    found = [
        Diagnostic(severity, "code", Location(text or "x", 0, 0), text, hint=text) for severity in Severity
    ]
    check_sarif(sarif(found, "0.1.0"))
    check_junit(junit(found, ["x.yaml"]), 2)


def test_what_is_syntax_in_sarif_alone_is_words() -> None:
    assert sarif_message("{0} [a](b) {x}") == "\\x7b0} [a\\x5d(b) {x}"
    assert uri("a b\udcff::#.yaml") == "a%20b%5Cxff%3A%3A%23.yaml"


@given(ANY)
@example(ALL)
def test_a_message_mentions_no_user(text: str) -> None:
    said = chat(text)
    assert "\n" not in said
    assert not re.search(r"@\w|!\w|<[!@#]|\]\(|://|www\.", said)


def renamed(fabric: Fabric, text: str) -> Fabric:
    """Names as no document could have them."""
    tunnels = {
        f"{name}{text}": replace(
            tunnel,
            name=f"{name}{text}",
            description=text,
            other_end=f"{tunnel.other_end}{text}",
            vip=replace(tunnel.vip, name=f"{tunnel.vip.name}{text}"),
        )
        for name, tunnel in fabric.tunnels.items()
    }
    routers = {f"{name}{text}": replace(r, name=f"{name}{text}") for name, r in fabric.routers.items()}
    vips = {
        f"{name}{text}": replace(vip, name=f"{name}{text}", router=f"{vip.router}{text}")
        for name, vip in fabric.vips.items()
    }
    return replace(fabric, tunnels=tunnels, routers=routers, vips=vips)


_LABEL = r'"(?:[^"#&<>`\\|%{}\n]|#\d+;|<br>)*"'
_GRAPH = re.compile(
    rf"flowchart LR|    classDef unmanaged stroke-dasharray: 2 4|        ?end|"
    rf"    \w+\{{\{{{_LABEL}\}}\}}|    \w+\[{_LABEL}\]|    subgraph \w+\[{_LABEL}\]|    end|"
    rf"        \w+\(\[{_LABEL}\]\)|    \w+\[/{_LABEL}/\]:::unmanaged|    \w+ --- \w+|"
    rf"    \w+ (?:===|-\.-)\|{_LABEL}\| \w+"
)


@pytest.mark.parametrize("text", [*TEXTS, *SURROGATES, ALL])
def test_a_graph_keeps_its_structure(text: str) -> None:
    lines = list(graph_lines(renamed(two_routers(), text)))
    assert len(lines) == len(list(graph_lines(two_routers())))
    for line in lines:
        check_lines(line)
        assert _GRAPH.fullmatch(line), line


@pytest.mark.parametrize("text", [*TEXTS, *SURROGATES])
def test_a_drawing_is_xml(text: str) -> None:
    panel = Panel(text, (text,), (Sent(0.1, 0, 0, arrived=True),), (Moment(0.0, text), Moment(0.2, text)))
    drawn = ElementTree.fromstring(drawing([panel], 0.1))  # noqa: S314 - what was just drawn
    assert {element.tag.partition("}")[2] for element in drawn.iter()} <= {
        "svg",
        "title",
        "style",
        "rect",
        "text",
        "path",
    }


@pytest.mark.parametrize("form", FORMATS[1:])
@pytest.mark.parametrize("text", [*TEXTS[:-1], *SURROGATES, ALL])
def test_no_text_adds_a_line_to_a_sheet(form: str, text: str) -> None:
    """A remark is a comment; a name or an ID that the device would read otherwise is refused."""
    plain = mirrored(two_routers().tunnels["paris-tokyo"])
    lines = render(plain, form, ("remark",)).reveal().decode().splitlines()
    shown = render(plain, form, (text,)).reveal().decode()
    check_lines(shown)
    assert len(shown.splitlines()) == len(lines)
    with pytest.raises(Inexpressible):
        render(replace(plain, name=f"a{text}\n"), form)


def test_what_was_escaped_can_be_read() -> None:
    assert SEEN in visible(ALL)


def test_a_label_of_a_metric_is_data() -> None:
    class One(Collector):
        def collect(self) -> list[Metric]:
            return [_family(CHILD_UP, [((ALL, ALL, ALL), 1.0)])]

    registry = CollectorRegistry()
    registry.register(One())
    check_metrics(generate_latest(registry).decode())
