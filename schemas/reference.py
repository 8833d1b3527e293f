"""The reference pages, one for each kind, an index and one for the settings, as Markdown from the models.

What a page says of a field is what the model's JSON Schema says of it. A description may end with
`Default: …`, for a default that depends on more than the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from schemas.base import DIAGNOSTICS, PATTERNS, REFUSED
from schemas.kinds import KINDS
from schemas.settings import ReconcileSettings
from schemas.variables import settings

if TYPE_CHECKING:
    from pydantic import BaseModel

Node = Mapping[str, Any]
"""A part of a JSON Schema."""

_KNOWN: Final = frozenset(
    {
        "additionalProperties",
        "const",
        "default",
        "description",
        "enum",
        "examples",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "oneOf",
        "pattern",
        "patternProperties",
        "properties",
        "required",
        "title",
        "type",
        DIAGNOSTICS,
        REFUSED,
    }
)
_BOUNDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "string": ("minLength", "maxLength", " characters"),
    "array": ("minItems", "maxItems", ""),
    "object": ("minProperties", "maxProperties", ""),
    "integer": ("minimum", "maximum", ""),
    "number": ("minimum", "maximum", ""),
}
_PATTERN_CODES: Final = {
    "an IPv4 address": ("invalid-address",),
    "an IPv4 CIDR without host bits": ("cidr-host-bits", "invalid-cidr"),
}
_PLAIN = re.compile(r"[A-Za-z@][A-Za-z0-9@._/-]*|[0-9.]+\.[0-9./]+")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind or of the settings, in words. What a field does not have is empty."""

    path: str
    """As diagnostics name it: `spec.vip.create.range`, `spec.publicNetworks[].address`."""
    type: str
    required: bool
    default: str
    allowed: tuple[str, ...]
    refused: Mapping[str, str]
    """Value -> why it is refused by name."""
    description: str
    example: str
    """A value as YAML would have it, on one line."""
    diagnostics: tuple[str, ...]
    """Codes that this field's rules report."""

    @property
    def anchor(self) -> str:
        """The heading's own anchor, as forges make it."""
        return re.sub(r"[^a-z0-9_-]", "", self.path.lower())

    @property
    def brief(self) -> str:
        """What is taken when the field is left out, for a narrow column."""
        return "**required**" if self.required else self.default.partition(",")[0]


def page_name(kind: str) -> str:
    """`IPsecTunnel` -> the file of its page."""
    return f"{kind.lower()}.md"


def pages(examples: Mapping[str, str]) -> dict[str, str]:
    """File name -> Markdown: a page for each kind, with its example, and the index (`README.md`).

    Raises KeyError for a kind without an example, ValueError for what a model says and this module
    has no words for.
    """
    kinds = {kind: tuple(fields(model)) for kind, model in KINDS.items()}
    rendered = {
        page_name(kind): _template("kind.md.j2").render(
            kind=kind,
            module=KINDS[kind].__module__.replace(".", "/") + ".py",
            about=_about(KINDS[kind]),
            fields=found,
            example=examples[kind].strip(),
        )
        for kind, found in kinds.items()
    }
    refused: dict[tuple[str, str], str] = {
        (field.path, value): reason
        for found in kinds.values()
        for field in found
        for value, reason in field.refused.items()
    }
    index = [(kind, page_name(kind), _about(KINDS[kind])) for kind in kinds]
    rendered["README.md"] = _template("index.md.j2").render(kinds=index, refused=refused)
    return rendered


def settings_page(example: str) -> str:
    """The page of the settings, with an example file, as Markdown. Raises ValueError as `pages` does."""
    return str(
        _template("settings.md.j2").render(
            about=_about(ReconcileSettings),
            fields=tuple(fields(ReconcileSettings)),
            variables={".".join(setting.path): setting.variable for setting in settings()},
            example=example.strip(),
        )
    )


def fields(model: type[BaseModel]) -> Iterator[Field]:
    """Every field of a model, each mapping before what is in it. Raises ValueError as `pages` does."""
    schema = model.model_json_schema(by_alias=True)
    yield from _fields_in(schema, schema.get("$defs", {}), "")


def _fields_in(mapping: Node, shared: Node, prefix: str) -> Iterator[Field]:
    for name, raw in mapping.get("properties", {}).items():
        node, path = _resolved(raw, shared), prefix + name
        item = _resolved(node.get("items", {}), shared)
        unknown = (node.keys() | item.keys()) - _KNOWN
        if unknown:
            raise ValueError(f"{path}: schemas/reference.py has no words for {', '.join(sorted(unknown))}")
        description, default = _description(node)
        yield Field(
            path=path,
            type=_type(node, item),
            required=name in mapping.get("required", ()),
            default=default,
            allowed=(*_allowed(node), *(f"each: {words}" for words in _allowed(item))),
            refused=node.get(REFUSED, {}),
            description=description,
            example=_flow(node["examples"][0]) if "examples" in node else "",
            diagnostics=tuple(sorted({*_codes(node), *_codes(item)})),
        )
        yield from _fields_in(node, shared, f"{path}.")
        yield from _fields_in(item, shared, f"{path}[].")


def _resolved(node: Node, shared: Node) -> Node:
    """The node with what it refers to, and without the null that stands for a field left out."""
    own = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    if "$ref" in node:
        base = _resolved(shared[node["$ref"].rpartition("/")[2]], shared)
    elif "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        if len(choices) != 1:
            return node
        base = _resolved(choices[0], shared)
    else:
        return node
    codes = [*base.get(DIAGNOSTICS, ()), *own.get(DIAGNOSTICS, ())]
    return {**base, **own, **({DIAGNOSTICS: codes} if codes else {})}


def _type(node: Node, item: Node) -> str:
    if item:
        return f"list of {_type(item, {})}s"
    values = node.get("additionalProperties")
    if "patternProperties" in node:
        [values] = node["patternProperties"].values()
    if isinstance(values, Mapping):
        return f"mapping to {_type(values, {})}s"
    return "mapping" if node["type"] == "object" else str(node["type"])


def _allowed(node: Node) -> Iterator[str]:
    if "const" in node:
        yield f"`{_flow(node['const'])}` only"
    if "enum" in node:
        yield ", ".join(f"`{value}`" for value in node["enum"])
    if "oneOf" in node:
        names = (f"`{choice['required'][0]}`" for choice in node["oneOf"])
        yield f"exactly one of {', '.join(names)}"
    if "pattern" in node:
        yield PATTERNS.get(node["pattern"], f"text that matches `{node['pattern']}`")
    low, high, unit = _BOUNDS.get(node.get("type", ""), ("", "", ""))
    if low in node and high in node:
        yield f"{node[low]} to {node[high]}{unit}"
    elif low in node:
        yield f"at least {node[low]}{unit if node[low] > 1 else unit.removesuffix('s')}"
    elif high in node:
        yield f"at most {node[high]}{unit}"


def _codes(node: Node) -> Iterator[str]:
    """What `validate` reports of a value that the type refuses, and what the model's rules report."""
    if "pattern" in node:
        yield from _PATTERN_CODES.get(PATTERNS.get(node["pattern"], ""), ("invalid-name",))
    if "patternProperties" in node:
        yield "invalid-name"
    if "enum" in node or "const" in node:
        yield "invalid-value"
    if REFUSED in node:
        yield "refused"
    if "oneOf" in node:
        yield "exactly-one"
    if node.keys() & {key for low, high, _ in _BOUNDS.values() for key in (low, high)}:
        yield "out-of-range"
    yield from node.get(DIAGNOSTICS, ())


def _description(node: Node) -> tuple[str, str]:
    """What the field means, and its default, in words."""
    text, said, default = node["description"].partition(" Default: ")
    if said:
        first, comma, rest = default.removesuffix(".").partition(",")
        # A value is marked as one; a sentence that begins with an article is left alone.
        return text, (first if " " in first else f"`{first}`") + comma + rest
    if node.get("default") is None:
        return text, "none"
    value = node["default"]
    return text, "empty" if value in ("", []) else f"`{_flow(value)}`"


def _about(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _flow(value: object) -> str:
    """A value in YAML's flow style: quotes only where they are needed."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("schemas"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown of our own words, no HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> Any:  # noqa: ANN401 - a Template, which is imported when it is needed
    return _environment().get_template(name)
