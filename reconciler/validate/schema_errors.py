"""pydantic's errors -> diagnostics in the terms and at the places of the document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.load import Document, Path, dotted
from reconciler.model.bounds import MOST_MISSPELT, MOST_SCHEMA_FINDINGS
from reconciler.model.diagnostic import Diagnostic, Diagnostics
from reconciler.model.listing import counted
from reconciler.model.quoting import NOT_SHOWN, is_plain, quoted
from reconciler.model.suggestion import did_you_mean
from reconciler.validate.causes import causes, fields_at, is_field
from reconciler.validate.spellings import are_groups, spelt_otherwise
from schemas.base import KEY_IN_CLEAR, PATTERNS

_TYPES: Mapping[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
}
_RANGES: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("ge", "{} or more"),
    "less_than_equal": ("le", "{} or less"),
    "too_short": ("min_length", "at least {}"),
    "too_long": ("max_length", "at most {}"),
    "string_too_short": ("min_length", "at least {} characters"),
    "string_too_long": ("max_length", "at most {} characters"),
}
CUSTOM_CODES: Mapping[str, str] = {
    "invalid_address": "invalid-address",
    "invalid_cidr": "invalid-cidr",
    "cidr_host_bits": "cidr-host-bits",
    "invalid_id": "invalid-id",
    "invalid_host_key": "invalid-host-key",
    "invalid_schedule": "invalid-schedule",
    "invalid_timezone": "invalid-timezone",
    "not_shown": "invalid-name",
    "refused": "refused",
    "exactly_one": "exactly-one",
    "secret_in_clear": "secret-in-clear",
}
_PRIVATE = frozenset({"authentication", "fingerprintKey"})
"""Fields into which a key may be pasted: neither what stands there nor a name in it is ever quoted."""
_REFERENCES = frozenset({"authentication", "key", "fingerprintKey"})
"""Those of them that are mappings: a text in their place is a key."""
_KEY = "[key]"
"""What pydantic adds to the path of a key that is wrong itself."""
_HIDDEN = object()
"""In place of what may be a key."""
_CUSTOM_ALLOWED: Mapping[str, str] = {
    "invalid_host_key": "an Ed25519, ECDSA or RSA public key: ssh-ed25519 AAAA…",
    "invalid_schedule": "minute, hour, day of the month, month, day of the week, such as 0 2 * * SAT",
    "invalid_timezone": "a name of the IANA time zone database, such as Europe/Paris",
    "invalid_address": "four numbers from 0 to 255 without leading zeros, such as 203.0.113.10",
    "invalid_cidr": "an address and a prefix length, such as 10.1.0.0/24",
}


def report_schema_errors(
    error: ValidationError, model: type[BaseModel], document: Document, found: Diagnostics
) -> None:
    """Report the errors of one document, up to a bound. `model` is what it was checked
    against."""
    every = error.errors(include_url=False)
    # A list whose items are bad counts as too short as well, which says nothing new.
    around = {detail["loc"][:depth] for detail in every for depth in range(len(detail["loc"]))}
    distinct = [d for d in every if not (d["type"] == "too_short" and tuple(d["loc"]) in around)]
    cause = causes(distinct, model)
    details = cause.details
    for detail in details[:MOST_SCHEMA_FINDINGS]:
        hint = cause.hints.get(tuple(detail["loc"]), "")
        if _may_be_shown(detail, model):
            _report(detail, model, document, found, hint)
        else:
            found.extend(_without_key(detail, model, document))
    if (more := len(details) - MOST_SCHEMA_FINDINGS) > 0:
        found.error(
            "too-many-findings",
            document.locate(),
            f"{counted(more, 'more field of this document is', 'more fields of this document are')} wrong",
        )


def _may_be_shown(detail: ErrorDetails, model: type[BaseModel]) -> bool:
    """Whether neither the name of a field nor its value may be a key."""
    if _PRIVATE.isdisjoint(detail["loc"]) or detail["type"] in {"missing", *CUSTOM_CODES}:
        return True
    if detail["input"] is None:
        return True
    # Only the names of unknown fields are shown.
    return detail["type"] == "extra_forbidden" and is_field(model, detail["loc"][-1])


def _without_key(detail: ErrorDetails, model: type[BaseModel], document: Document) -> Iterator[Diagnostic]:
    """The same finding without what stands there, and with what to do if that is a key."""
    pasted = detail["type"] in _TYPES and detail["loc"][-1] in _REFERENCES
    pasted = pasted and isinstance(detail["input"], str | int | float)
    reported = Diagnostics()
    _report({**detail, "input": _HIDDEN}, model, document, reported)
    for item in reported:
        hint = f"{item.hint} Else, {KEY_IN_CLEAR}" if item.hint not in {"", KEY_IN_CLEAR} else KEY_IN_CLEAR
        if detail["type"] == "extra_forbidden":
            message = "unknown field; neither its name nor its value is shown, because they may be a key"
            yield replace(item, message=message, path=dotted(tuple(detail["loc"][:-1])), hint=hint)
        elif pasted:
            message = "a key in the clear is in place of a reference; it is not shown"
            yield replace(item, code="secret-in-clear", message=message, hint=hint)
        else:
            yield replace(item, hint=hint)


def _report(
    detail: ErrorDetails, model: type[BaseModel], document: Document, found: Diagnostics, meant: str = ""
) -> None:
    kind = detail["type"]
    path: Path = tuple(detail["loc"])
    context: dict[str, Any] = detail.get("ctx", {})
    text = dotted(path[:-1] if path[-1:] == (_KEY,) else path)
    if kind == "missing":
        # pydantic's own names the missing field last; the model's own rule names the mapping.
        message = f"the field {path[-1]!r} is missing" if not context else detail["msg"]
        found.error("missing-field", document.locate(path), message, path=text)
    elif kind == "extra_forbidden":
        allowed, word = fields_at(model, path[:-1]), str(path[-1])
        hint = meant or ("" if found.many else did_you_mean(word, allowed))
        found.error(
            "unknown-field",
            document.locate_key(path),
            unknown("field", word),
            path=text if is_plain(word) else dotted(path[:-1]),
            allowed=", ".join(allowed),
            hint=hint or ("" if is_plain(word) else KEY_IN_CLEAR),
        )
    elif kind in _TYPES:
        shown = _shown(detail["input"])
        hint = "quote it" if kind == "string_type" and isinstance(detail["input"], int | float) else ""
        found.error(
            "wrong-type",
            document.locate(path),
            f"{shown} is not {_TYPES[kind]}" if detail["input"] is not None else "there is no value",
            path=text,
            allowed=_TYPES[kind],
            hint=hint or meant,
        )
    elif kind in _RANGES:
        key, words = _RANGES[kind]
        found.error(
            "out-of-range",
            document.locate(path),
            f"{_shown(detail['input'])} is out of range",
            path=text,
            allowed=words.format(context[key]),
        )
    elif kind == "string_pattern_mismatch":
        found.error(
            "invalid-name",
            document.locate_key(path[:-1]) if path[-1] == _KEY else document.locate(path),
            f"{_shown(detail['input'])} is not allowed here",
            path=text,
            allowed=PATTERNS.get(context["pattern"], context["pattern"]),
        )
    elif kind in CUSTOM_CODES:
        found.error(
            CUSTOM_CODES[kind],
            document.locate_key(path[:-1]) if path[-1] == _KEY else document.locate(path),
            _repeating(detail["msg"], context, detail["input"]),
            path=text,
            allowed=context.get("expected", _CUSTOM_ALLOWED.get(kind, "")),
            hint=context.get("hint", ""),
        )
    else:
        allowed = [word.strip("'") for word in context.get("expected", "").replace(" or ", ", ").split(", ")]
        found.error(
            "invalid-value",
            document.locate(path),
            f"{_shown(detail['input'])} is not allowed here",
            path=text,
            allowed=", ".join(allowed),
            hint="" if detail["input"] is _HIDDEN or found.many else _meant(detail["input"], allowed),
        )


def _repeating(message: str, context: Mapping[str, Any], value: object) -> str:
    """The sentence of a type of ours, which repeats the value where its context has it as `text`."""
    if "text" not in context or is_plain(str(value)):
        return message
    return f"{NOT_SHOWN} is not valid"


def _meant(value: object, allowed: list[str]) -> str:
    """A hint for one of a few allowed values."""
    if isinstance(value, str) and value in allowed:
        return "write it without quotes"
    if len(str(value)) > MOST_MISSPELT:
        return ""
    meant = spelt_otherwise(value, allowed)
    if meant:
        return f"did you mean {meant if meant.isdecimal() else repr(meant)}?"
    # Of numbers the nearest by its digits is another one, not a misspelling.
    return "" if are_groups(allowed) else did_you_mean(str(value), allowed)


def _shown(value: object) -> str:
    return NOT_SHOWN if value is _HIDDEN else quoted(value)


def unknown(what: str, word: str) -> str:
    """The sentence about a name that means nothing here."""
    if is_plain(word):
        return f"the {what} {word!r} is unknown here"
    return f"this {what} is unknown here; its name is not shown, because it may be a key"
