"""References to keys. A key in the clear is never in the repository; an encrypted one may be."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self, TypeAlias, get_args

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import KEY_IN_CLEAR, Model, diagnosed, one_of_schema, require_one

SEALED_BY_AGE = ".age"
AGE_PATH = r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,254}/)*[A-Za-z0-9_-][A-Za-z0-9._-]{0,250}\.age$"
"""Each part of a path has at most 255 bytes (`NAME_MAX`, limits.h)."""
SEALED_BY_SOPS = (".sops.yaml", ".sops.yml")

KEY_FILE: Final = ".psk"
"""The suffix of key files."""

KEY_PREFIX: Final = "TUNNELWRIGHT_KEY_"
"""The prefix of environment variables that hold keys."""

KEY_FOLDER: Final = "tunnelwright"
"""The first part of the paths of keys in Vault, after the mount."""

KeySource: TypeAlias = Literal["file", "env", "age", "sops", "vault"]
_SOURCES: tuple[KeySource, ...] = get_args(KeySource)
_LIKE_A_KEY = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=]{16,}")
"""Hexadecimal and base64: letters and digits in one piece. Names have a `.`, `-` or `_` in them."""


def is_key_path(path: str) -> bool:
    """Whether a path of Vault, with its mount, lies where keys do."""
    _, _, inside = path.partition("/")
    return inside.startswith(f"{KEY_FOLDER}/")


def _in_clear(what: str, expected: str) -> PydanticCustomError:
    """The error for a key in place of its name; its message does not repeat the key."""
    return PydanticCustomError(
        "secret_in_clear",
        "this is not the name of {what}; it is not shown, because it may be a key",
        {"what": what, "expected": expected, "hint": KEY_IN_CLEAR},
    )


def _name(value: object) -> object:
    if isinstance(value, str) and _LIKE_A_KEY.fullmatch(value):
        raise _in_clear("a key", "a name of 15 characters or less, or with a `.`, `-` or `_` in it")
    return value


def _file(value: object) -> object:
    """Names of key files have a suffix, so that a key is never taken for a name."""
    if isinstance(value, str) and not value.endswith(KEY_FILE):
        raise _in_clear("a key file", f"a name that ends in `{KEY_FILE}`")
    return value


def _variable(value: object) -> object:
    """As for files: names of variables are in capitals."""
    if isinstance(value, str) and value != value.upper():
        raise _in_clear("a variable", f"capitals, such as {KEY_PREFIX}A_B")
    return _name(value)


_NAME = BeforeValidator(_name)


class SopsRef(Model):
    """A value of a file that SOPS encrypts."""

    file: Annotated[
        str, Field(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\.sops\.ya?ml$")
    ] = Field(
        description="The file, relative to the folder of the desired state.",
        examples=["keys/site-a.sops.yaml"],
        json_schema_extra=diagnosed("key-file-missing", "secret-in-clear"),
    )
    field: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"), _NAME] = Field(
        description="The key of the value, at the top level of the file.",
        examples=["site-a--site-b"],
        json_schema_extra=diagnosed("key-field-missing", "secret-in-clear"),
    )


class VaultRef(Model):
    """A value of a version 2 key-value engine of HashiCorp Vault or OpenBao."""

    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$")] = Field(
        description=(
            "The engine's mount and the path in it, without the `data/` of its HTTP API. In the mount it "
            f"begins with `{KEY_FOLDER}/`, unless the controller's settings allow other paths."
        ),
        examples=["secret/tunnelwright/site-a--site-b"],
        json_schema_extra=diagnosed("key-path-foreign"),
    )
    field: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"), _NAME] = Field(
        default="psk", description="The name of the value that is the key.", examples=["psk"]
    )


class KeyRef(Model):
    """The source of the key: exactly one of these. The repository never has a key in the clear."""

    model_config = ConfigDict(json_schema_extra=one_of_schema(*_SOURCES))

    file: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,123}\.psk$"),
            BeforeValidator(_file),
        ]
        | None
    ) = Field(
        default=None,
        description="Name of a file in `psk` of the controller's folder of keys; it ends in `.psk`.",
        examples=["site-a--site-b.psk"],
    )
    env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,127}$"), BeforeValidator(_variable)] | None = (
        Field(
            default=None,
            description=(
                f"Name of an environment variable of the controller. It begins with `{KEY_PREFIX}`, unless "
                "the controller's settings allow other names."
            ),
            examples=["TUNNELWRIGHT_KEY_A_B"],
            json_schema_extra=diagnosed("key-variable-foreign"),
        )
    )
    age: Annotated[str, Field(pattern=AGE_PATH)] | None = Field(
        default=None,
        description=(
            "A file that is encrypted with age, relative to the folder of the desired state; "
            "`tunnelwright secret set` writes it."
        ),
        examples=["keys/site-a--site-b.age"],
        json_schema_extra=diagnosed("key-file-missing", "secret-in-clear"),
    )
    sops: SopsRef | None = Field(
        default=None,
        description="A value of a file that is encrypted with SOPS; the controller needs the `sops` program.",
        examples=[{"file": "keys/site-a.sops.yaml", "field": "site-a--site-b"}],
    )
    vault: VaultRef | None = Field(
        default=None,
        description="A value in HashiCorp Vault or OpenBao.",
        examples=[{"path": "secret/tunnelwright/site-a--site-b"}],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        require_one(self, *_SOURCES)
        return self

    @property
    def source(self) -> KeySource:
        """The one that is set."""
        return next(name for name in _SOURCES if getattr(self, name) is not None)
