"""What all documents share: strictness, names, addresses, and values that are refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    Strict,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from schemas.addresses import HostBitsError, parse_address, parse_cidr
from schemas.labels import LABEL_KEY, LABEL_VALUE

API_VERSION = "tunnelwright/v1"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = rf"({_OCTET}\.){{3}}{_OCTET}"
_ADDRESS_PATTERN = f"^{_ADDRESS}$"
_CIDR_PATTERN = f"^{_ADDRESS}/(3[0-2]|[12]?[0-9])$"

_PART = r"([ -\-0-~][ -.0-~]*|\.[ -\-0-~][ -.0-~]*|\.\.[ -.0-~]+)"
SOCKET_PATH = f"^(/{_PART})+$"
"""A part begins with something else than a dot, or goes on with it, or has a third character. The pattern is
the only form that pydantic, JSON Schema and editors have in common: none of them looks ahead."""
LONGEST_SOCKET_PATH = 107
"""Bytes of a path that a socket can have on Linux: `sun_path` (unix(7)) without the zero at its end."""

_OF_PAIR = r"\{a\}[A-Za-z0-9._-]*\{b\}[A-Za-z0-9._-]*"
AGE_OF_PAIR = rf"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*([A-Za-z0-9_-][A-Za-z0-9._-]*)?{_OF_PAIR}\.age$"
FILE_OF_PAIR = rf"^([A-Za-z0-9][A-Za-z0-9._-]*)?{_OF_PAIR}\.psk$"
"""Names of the key files of a topology: `{a}` and `{b}` stand for the routers of a pair."""

PATTERNS: Final[Mapping[str, str]] = {
    _ADDRESS_PATTERN: "an IPv4 address",
    _CIDR_PATTERN: "an IPv4 CIDR without host bits",
    "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "a-z, 0-9 and `-`, at most 63 characters, no `-` at the ends",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$": "a Linux interface name: letters, digits, `.`, `_`, `-`; at most 15",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$": "a file name without a folder: letters, digits, `.`, `_`, `-`",
    "^[A-Za-z_][A-Za-z0-9_]{0,127}$": "the name of an environment variable",
    r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,254}/)*[A-Za-z0-9_-][A-Za-z0-9._-]{0,250}\.age$": (
        "the path of a file whose name ends with `.age`, below the folder of the desired state"
    ),
    r"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\.sops\.ya?ml$": (
        "the path of a file whose name ends with `.sops.yaml`, below the folder of the desired state"
    ),
    "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$": ("a mount and a path: `secret/tunnelwright/a--b`"),
    r"^([A-Za-z_][A-Za-z0-9_]*\*?(, ?[A-Za-z_][A-Za-z0-9_]*\*?)*)?$": (
        "names of variables, separated by commas; a name may end with `*`"
    ),
    r"^([A-Za-z0-9_-][A-Za-z0-9_./-]*\*?(, ?[A-Za-z0-9_-][A-Za-z0-9_./-]*\*?)*)?$": (
        "paths with their mounts, separated by commas; a path may end with `*`"
    ),
    "^[A-Za-z][A-Za-z0-9-]{0,63}$": "the name of an HTTP header",
    "^[0-9A-Fa-f:.]{2,45}$": "an IPv4 or IPv6 address",
    r"^([a-z][a-z0-9_]*(, ?[a-z][a-z0-9_]*)*)?$": "names from SOPS's metadata, separated by commas",
    AGE_OF_PAIR: (
        "the path of a file whose name has `{a}`, then `{b}`, and ends with `.age`, below the folder of the "
        "desired state"
    ),
    FILE_OF_PAIR: "a file name without a folder that has `{a}`, then `{b}`, and ends with `.psk`",
    LABEL_KEY: (
        "letters, digits, `.`, `_`, `-`, at most 63 of them, with a letter or digit at both ends; optionally "
        "after a domain name and `/`"
    ),
    LABEL_VALUE: (
        "letters, digits, `.`, `_`, `-`, at most 63 of them, with a letter or digit at both ends, or nothing"
    ),
    SOCKET_PATH: "an absolute path without `.`, `..` and empty parts, in printable ASCII",
    "^(/|~/)": "an absolute path, or one that begins with ~/",
    r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$": "an http or https address without user and password",
    "^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$": "names joined by `/`: owner/name",
    "^[A-Za-z0-9._/-]+$": "the name of a branch: letters, digits, `.`, `_`, `-`, `/`",
    "^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$": "a host name, an address, or an alias",
    "^[A-Za-z_][A-Za-z0-9_.-]{0,31}$": "an account name",
    "^(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?$": "a public key: ssh-ed25519 AAAA…",
}
"""The description of each pattern, for messages and the reference."""

DIAGNOSTICS: Final = "x-diagnostics"
"""Keyword of the JSON Schemas: what `diagnosed` says."""

REFUSED: Final = "x-refused"
"""Keyword of the JSON Schemas: values that are refused by name -> the reason."""


class Model(BaseModel):
    """Base of every model: camelCase in YAML, snake_case in Python, no unknown fields, no coercion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)


@dataclass(frozen=True, eq=False)
class RefusedValues:
    """Refuses some values by name with a reason, before the value is compared with the allowed ones."""

    reasons: Mapping[str, str]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), REFUSED: dict(self.reasons)}

    def _check(self, value: object) -> object:
        if isinstance(value, str) and value in self.reasons:
            raise PydanticCustomError("refused", "{reason}", {"reason": self.reasons[value]})
        return value


def refuse(reasons: Mapping[str, str]) -> RefusedValues:
    """For an Annotated type: values that are refused by name, each with its reason."""
    return RefusedValues(reasons)


def diagnosed(*codes: str) -> dict[str, JsonValue]:
    """For `json_schema_extra`: what the rules between fields and between documents report at a field.

    What a field's own type reports (`invalid-address`, `out-of-range`) follows from the type.
    """
    return {DIAGNOSTICS: list(codes)}


def require_one(model: BaseModel, *fields: str) -> None:
    """Raise unless exactly one of the named fields is set."""
    given = [name for name in fields if getattr(model, name) is not None]
    if len(given) != 1:
        choices = ", ".join(to_camel(name) for name in fields)
        raise PydanticCustomError(
            "exactly_one",
            "{problem}",
            {
                "problem": "none of the alternatives is set"
                if not given
                else f"{' and '.join(to_camel(name) for name in given)} are mutually exclusive",
                "expected": f"exactly one of {choices}",
            },
        )


def one_of_schema(*fields: str) -> dict[str, JsonValue]:
    """The same rule as `require_one` in JSON Schema."""
    return {"oneOf": [{"required": [to_camel(name)]} for name in fields]}


def _no_boolean(value: object) -> object:
    # True equals 1 in Python, so a Literal of numbers would take it.
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "expected a number, not true or false")
    return value


NUMBER = BeforeValidator(_no_boolean)
"""For a Literal of numbers."""


def _address(text: str) -> str:
    try:
        parse_address(text)
    except ValueError:
        raise PydanticCustomError(
            "invalid_address", "{text} is not an IPv4 address", {"text": repr(text)}
        ) from None
    return text


def _cidr(text: str) -> str:
    try:
        parse_cidr(text)
    except HostBitsError as error:
        raise PydanticCustomError(
            "cidr_host_bits",
            "{text} has bits set beyond its prefix length",
            {"text": text, "hint": f"write {error.network}"},
        ) from None
    except ValueError:
        raise PydanticCustomError(
            "invalid_cidr", "{text} is not an IPv4 CIDR", {"text": repr(text)}
        ) from None
    return text


Address = Annotated[
    str,
    AfterValidator(_address),
    WithJsonSchema({"type": "string", "format": "ipv4", "pattern": _ADDRESS_PATTERN}),
]
"""An IPv4 address in dotted-quad form."""

Cidr = Annotated[
    str,
    AfterValidator(_cidr),
    WithJsonSchema({"type": "string", "pattern": _CIDR_PATTERN}),
]
"""An IPv4 network in CIDR form, without host bits."""

KEY_IN_CLEAR: Final = (
    "if it is a key, remove it and use a new key at both ends, because the history of the repository keeps "
    "this one; refer to the new key, for example with `{age: keys/a--b.age}` (`tunnelwright secret set` "
    "writes that file)"
)
"""What to do about a key that was pasted into a document."""

_IN_ONE_PIECE = re.compile(r"[A-Za-z0-9+/=]{16,}")
_CHANGES = re.compile(r"[0-9](?=[A-Za-z])|[A-Za-z](?=[0-9])")


def looks_random(text: str) -> bool:
    """True for hexadecimal digits and base64, as keys are written: mixed letters and digits without a break.
    Names that people and clouds choose have a `-` or `.` in them, or a number at their end."""
    return _IN_ONE_PIECE.fullmatch(text) is not None and len(_CHANGES.findall(text)) > 3


def _no_key(value: object) -> object:
    if isinstance(value, str) and looks_random(value):
        raise PydanticCustomError(
            "secret_in_clear",
            "this looks like a key; it is not shown",
            {"expected": "a name with a `-` in it, or with its digits at the end", "hint": KEY_IN_CLEAR},
        )
    return value


NO_KEY = BeforeValidator(_no_key)
"""For an identifier, which is shown in plans, comments and logs."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), NO_KEY]
"""A DNS label (RFC 1123): a-z, 0-9 and `-`, at most 63 characters."""

Interface = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$")]
"""A Linux interface name: at most 15 characters."""

MOST_SELECTORS: Final = 255
"""Networks at one end of a tunnel: the number of traffic selectors is one byte (RFC 7296, section 3.13)."""

MOST_LISTED: Final = 1_000
"""Members of any other list of a document: ranges of a network, networks of a router, windows."""

MOST_FORMER: Final = 4
"""Previous names of a topology, and of a router: each name of the one is combined with each of the others."""

SEQUENCE = Strict(False)
"""For tuple fields: YAML gives lists. The strictness of the items is not touched."""


MOST_LABELS: Final = 64
"""Labels of a document, and annotations. Kubernetes bounds the length of each, and the bytes of all."""

LabelKey = Annotated[str, Field(pattern=LABEL_KEY), NO_KEY]
LabelValue = Annotated[str, Field(pattern=LABEL_VALUE), NO_KEY]
"""As Kubernetes has them (Labels and Selectors, section "Syntax and character set")."""
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=MOST_LABELS)]
Annotations = Annotated[dict[LabelKey, Annotated[str, Field(max_length=1024)]], Field(max_length=MOST_LABELS)]


class Metadata(Model):
    """What identifies a document."""

    name: Name = Field(
        description="Unique among the documents of one kind.",
        examples=["site-a"],
        json_schema_extra=diagnosed("duplicate-name"),
    )
    labels: Labels = Field(
        default_factory=dict,
        description="Free key-value pairs, for people and for other tools. Keys and values are those of "
        "Kubernetes.",
        examples=[{"site": "a"}],
    )
    annotations: Annotations = Field(
        default_factory=dict,
        description="Free notes, for people and for other tools. `tunnelwright/…` is kept for this one.",
        examples=[{"owner": "network team"}],
        json_schema_extra=diagnosed("unknown-annotation"),
    )


class Document(Model):
    """What every document has besides its kind and spec."""

    api_version: Literal["tunnelwright/v1"] = Field(
        description="The version of the format.",
        examples=[API_VERSION],
        json_schema_extra=diagnosed("unknown-kind"),
    )
    metadata: Metadata = Field(description="Name, labels and annotations.")
