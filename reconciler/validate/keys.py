"""References to keys: what they name in the repository is there, and encrypted."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, TypeVar, assert_never

from reconciler.load import Loaded
from reconciler.load.documents import Sealed
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.fabric import PskRef
from reconciler.model.quoting import is_plain_name
from reconciler.model.suggestion import did_you_mean
from reconciler.validate.catalog import Catalog, Item
from schemas.base import KEY_IN_CLEAR
from schemas.keys import KEY_FOLDER, KEY_PREFIX, KeyRef, SopsRef, VaultRef, is_key_path

Value = TypeVar("Value")


def resolve_key(
    catalog: Catalog, item: Item[Any], key: KeyRef, found: Diagnostics, *path: str | int
) -> PskRef:
    """The reference, with the encrypted file that it names."""
    match key.source:
        case "file":
            return PskRef("file", _set(key.file))
        case "env":
            return _variable(item, _set(key.env), found, *path)
        case "age":
            sealed = _sealed(catalog.loaded, item, _set(key.age), found, *path, "age")
            return PskRef("age", _set(key.age), written=_digest(sealed.content), sealed=sealed.content)
        case "sops":
            return _sops(catalog.loaded, item, _set(key.sops), found, *path)
        case "vault":
            return _vault(item, _set(key.vault), found, *path)
        case _:
            assert_never(key.source)


def _set(value: Value | None) -> Value:
    """What `source` says is set."""
    if value is None:
        raise TypeError("the source of the key is not set")
    return value


def _variable(item: Item[Any], name: str, found: Diagnostics, *path: str | int) -> PskRef:
    if not name.startswith(KEY_PREFIX):
        item.warning(
            found,
            "key-variable-foreign",
            f"the variable's name does not begin with {KEY_PREFIX}: a controller does not read it",
            *path,
            "env",
            hint="rename it, or allow it in the controller's settings (`keys.variables`)",
        )
    return PskRef("env", name)


def _sops(loaded: Loaded, item: Item[Any], key: SopsRef, found: Diagnostics, *path: str | int) -> PskRef:
    sealed = _sealed(loaded, item, key.file, found, *path, "sops", "file")
    _check_field(item, sealed, key.field, found, *path, "sops", "field")
    value = sealed.fields.get(key.field, "")
    return PskRef("sops", key.file, key.field, _digest(value.encode()), sealed.content)


def _vault(item: Item[Any], key: VaultRef, found: Diagnostics, *path: str | int) -> PskRef:
    if not is_key_path(key.path):
        item.warning(
            found,
            "key-path-foreign",
            f"the path does not begin with {KEY_FOLDER}/ in its mount: a controller does not read it",
            *path,
            "vault",
            "path",
            hint="move the key, or allow the path in the controller's settings (`keys.vaultPaths`)",
        )
    return PskRef("vault", key.path, key.field)


def missing_keys(catalog: Catalog) -> tuple[str, ...]:
    """The age files that tunnel ends name and the repository does not have, as they name them."""
    named = {item.spec.authentication.key.age for item in catalog.tunnels.values()}
    there = catalog.loaded.sealed
    return tuple(sorted(name for name in named if name and _placed(catalog.loaded, name) not in there))


def check_sealed(catalog: Catalog, used: Collection[PskRef | None], found: Diagnostics) -> None:
    """Report files of encrypted keys that none of the references in use names."""
    if found.errors:
        # What could not be read, or resolved, may refer to them.
        return
    named = {_placed(catalog.loaded, reference.name) for reference in used if reference is not None}
    for name in sorted(set(catalog.loaded.sealed) - named):
        found.warning(
            "key-file-unused",
            Location(name),
            "no document refers to this key file",
            hint="name it in a document, or delete it",
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _placed(loaded: Loaded, path: str) -> str:
    return f"{loaded.source.subdir}/{path}" if loaded.source.subdir else path


def _sealed(loaded: Loaded, item: Item[Any], name: str, found: Diagnostics, *path: str | int) -> Sealed:
    """The file; an empty one when it is not there, which is in `found`."""
    sealed = loaded.sealed.get(_placed(loaded, name))
    if sealed is None:
        plain = is_plain_name(name)
        called = repr(name) if plain else "of this name, which is not shown, since it may be a key,"
        item.error(
            found,
            "key-file-missing",
            f"there is no file {called} in the folder of the desired state",
            *path,
            hint=("" if found.many else did_you_mean(name, _names(loaded)))
            or ("`tunnelwright secret set --missing` writes age files" if plain else KEY_IN_CLEAR),
        )
        return Sealed(b"")
    return sealed


def _names(loaded: Loaded) -> list[str]:
    """The sealed files, as documents name them. One may be called like a key too, and is left out: a hint
    would show it."""
    prefix = _placed(loaded, "")
    return [name for file in sorted(loaded.sealed) if is_plain_name(name := file.removeprefix(prefix))]


def _check_field(item: Item[Any], sealed: Sealed, field: str, found: Diagnostics, *path: str | int) -> None:
    if field not in sealed.fields:
        if sealed.fields:
            item.error(
                found,
                "key-field-missing",
                "the file has no value with this name",
                *path,
                hint=did_you_mean(field, sealed.fields) or KEY_IN_CLEAR,
            )
    elif not sealed.fields[field]:
        item.error(
            found,
            "secret-in-clear",
            f"the value {field!r} of the file is not encrypted",
            *path,
            hint="SOPS did not encrypt it (see `encrypted_regex`); replace the key, because the "
            "repository's history has it",
        )
