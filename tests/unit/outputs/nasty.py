"""One set of texts that break what puts them anywhere as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

TEXTS = (
    "a\r\r# heading\r\r![x](https:example.org)\r",
    "b\x1b[31mred\x1b]0;title\x07",
    "c\n::add-mask::x\n",
    "::add-mask::x",
    "  ::error::x",
    "##[add-mask]x",
    "x ##vso[task.setvariable variable=x]y ##teamcity[x]",
    "d\x0b\x0c\x85\u2028\u2029\t",
    "\u202egnp\u2066x\u2069\u200b\ufeff\U000e0041",
    "\x00\x01\x08\x7f\x9b31m\x90\ufffe\uffff",
    "<script>x</script></details><img src=x><!-- <br> ]]> &amp; &#10;",
    "[a](https://evil.example) https://evil.example www.evil.example",
    "x@evil.example @everyone <!channel> <@U1> #1 GH-1 !1 o/r#2 $x$",
    "``` ` `` |a|b| \\| a\\ **b** _i_ ~~s~~",
    "{0} {{x}} [x](1) ](",
    "\"quotes' ; } { include /etc/passwd",
    "%%{init: {}}%% end subgraph x; click a call b()",
    "[red]x[/red] :skull: [link=https://e]x[/link]",
    '{"type":"valid"}\n{"type":"valid"}',
    'x 1\n# TYPE x counter\n"} 1',
    "/close",
    "- item",
    "1. item",
    "> quote",
    "---\n===",
    "",
)
SURROGATES = ("e\udcff", "f\ud800", "\udc00\ud800 ::x")
WORDS = "\n".join(TEXTS)
"""For what can only hold text that has an encoding."""
ALL = "\n".join((WORDS, *SURROGATES))
SEEN = "b\\x1b[31mred\\x1b]0;title\\x07"
"""A part of ALL as a reader of an output for people sees it."""

BROKEN = "apiVersion: tunnelwright/v1\nkind: Nothing\n"


def file_names() -> list[bytes]:
    """As names of documents, one of them not UTF-8."""
    fitting = [text.replace("/", "_").replace("\0", "").encode()[:200] for text in TEXTS if text]
    return [*(name + b".yaml" for name in fitting if not name.startswith(b".")), b"e\xff.yaml"]


def write_broken_tree(tree: Path) -> None:
    """Documents that are not valid, under these names and with these texts as fields and values."""
    tree.mkdir(parents=True)
    for name in file_names():
        path = os.path.join(os.fsencode(tree), name)  # noqa: PTH118 - a name that is not text
        with open(path, "xb") as file:  # noqa: PTH123
            file.write(BROKEN.encode())
    (tree / "zz-fields.yaml").write_text("\n---\n".join(as_yaml(_document(text)) for text in TEXTS))


def as_yaml(value: object) -> str:
    """YAML has its own escape for what JSON writes as a pair."""
    return json.dumps(value).replace("\\udb40\\udc41", "\\U000e0041")


def _document(text: str) -> dict[str, object]:
    key = {"file": text, text: text}
    return {
        "apiVersion": "tunnelwright/v1",
        "kind": "IPsecTunnel",
        "metadata": {"name": text, "labels": {text: text}, "annotations": {f"tunnelwright/{text}": text}},
        "spec": {
            f"x{text}": text,
            "router": text,
            "peer": {"address": text, "cidrs": [text]},
            "authentication": {"mode": text, "key": key},
            "ike": {"encryption": text, "dhGroup": text},
        },
    }
