"""How a text from outside is written, one encoder for each kind of output. Pure.

File and field names, values, IDs, names and words of routers, forges and services are data wherever they
stand: no writer puts one anywhere but through one of these. Lines for people are encoded by `Line` itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import escape
from urllib.parse import quote

from reconciler.model.visible import encodable, visible

_PLAIN = re.compile(r"(?!\d+[.)](?: |$))[^\W_](?:[^\W_]|[ ,.;:()'\"/=?+→…-])*(?<! )")
"""Words that no Markdown gives a meaning to."""
_LINKED = re.compile(r"://|\bwww\.|\bGH-\d", re.IGNORECASE)
"""What forges make a link of (GFM, "Autolinks (extension)"; GitHub, "Autolinked references")."""
_CHATTED = re.compile(r"[@!<\]]|:(?=//)|\bwww(?=\.)", re.IGNORECASE)
_ENTITIES = str.maketrans({c: f"#{ord(c)};" for c in '"#&<>`\\|%{}'})
_JOINED = "\u200b"
"""A space of no width: what stands on its two sides is not taken together."""


def json_text(
    value: object, *, indent: int | None = None, default: Callable[[object], object] | None = None
) -> str:
    """JSON in ASCII that is well-formed Unicode too (RFC 8259, section 8.2), on one line without `indent`."""
    separators = None if indent else (",", ":")
    text = json.dumps(value, indent=indent, separators=separators, default=default)
    if "\\ud" in text:
        text = json.dumps(_encodable(value, default), indent=indent, separators=separators, default=default)
    # Equal values: a CI runner would look into strings for `##[`, and a terminal ignores DEL unseen.
    return text.replace("##", "#\\u0023").replace("\x7f", "\\u007f")


def _encodable(value: object, default: Callable[[object], object] | None) -> object:
    """The same without lone surrogates, which JSON could write and parsers refuse."""
    match value:
        case str():
            return encodable(value)
        case dict():
            return {
                encodable(key) if isinstance(key, str) else key: _encodable(item, default)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_encodable(item, default) for item in value]
        case None | bool() | int() | float():
            return value
        case _ if default is not None:
            return _encodable(default(value), None)
    return value


def code(words: str) -> str:
    """Markdown: words as they are, in a fence that they cannot leave, in a cell of a table too. Forges look
    for no mention, reference, link or formula in one."""
    plain = visible(words).replace("|", "\\x7c") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    return f"{fence} {plain} {fence}" if "`" in plain else f"`{plain}`"


def prose(words: str) -> str:
    """Markdown: a sentence, as code where anything in it could be more than words."""
    shown = visible(words)
    return shown if _PLAIN.fullmatch(shown) and not _LINKED.search(shown) else code(shown)


def sarif_message(words: str) -> str:
    """A message string of SARIF 2.1.0, in which `{0}` (3.11.5) and `[a](b)` (3.11.6) are syntax."""
    return re.sub(r"\](?=\()", r"\\x5d", re.sub(r"\{(?=\d+\})", r"\\x7b", visible(words)))


def uri(file: str) -> str:
    """A file's name as a reference to it (RFC 3986)."""
    return quote(encodable(file))


def xml(words: str) -> str:
    """Content of an element, or an attribute in quotes, of XML 1.0, which has no word for most controls."""
    return escape(visible(words))


def mermaid_label(words: str) -> str:
    """Words between quotes, with Mermaid's entity codes for whatever has a meaning there."""
    return visible(words).translate(_ENTITIES)


def chat(words: str) -> str:
    """One line of a plain-text message. Services that read Markdown, mentions or links in plain text find
    none: Slack's `<!channel>` and `<@U1>`, Discord's `@everyone`, addresses, `[a](b)`."""
    return _CHATTED.sub(rf"\g<0>{_JOINED}", visible(words))
