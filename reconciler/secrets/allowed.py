"""What documents may name of a controller's surroundings: a namespace, and what its operator adds.

The author of a document is not the operator. What is the controller's own (its identity, tokens, variables
of a CI job) is not to be had by naming it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.model.errors import SecretUnavailable
from schemas.keys import KEY_PREFIX, is_key_path
from schemas.settings import KEY_PATHS, KEY_VARIABLES, SOPS_SERVICES

FOLDER: Final = "psk"
"""In the controller's folder: the key files that documents may name."""

VARIABLES: Final = "TUNNELWRIGHT_KEYS__VARIABLES"
PATHS: Final = "TUNNELWRIGHT_KEYS__VAULT_PATHS"
SERVICES: Final = "TUNNELWRIGHT_KEYS__SOPS_SERVICES"
_FOLDER: Final = "TUNNELWRIGHT_KEYS__FOLDER"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an operator allows besides the namespace."""

    folder: Path | None = None
    """Where the key files are; None for `psk` in the controller's folder."""
    variables: tuple[str, ...] = ()
    """Names of variables, and beginnings of names that end with `*`."""
    vault_paths: tuple[str, ...] = ()
    """Paths with their mounts, and beginnings of paths that end with `*`."""
    sops_services: frozenset[str] = frozenset()
    """What a SOPS file may name to open it, by the names of SOPS's metadata: `hc_vault`, `kms`."""

    @classmethod
    def said(cls, folder: str | None, variables: str, vault_paths: str, sops_services: str) -> Allowed:
        """As settings say it: a path, and lists with commas."""
        return cls(
            Path(folder).expanduser() if folder else None,
            _words(variables),
            _words(vault_paths),
            frozenset(_words(sops_services)),
        )

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Allowed:
        """As the variables of the same settings say it.

        Raises SecretUnavailable for one that is no list of names.
        """
        for name, form in ((VARIABLES, KEY_VARIABLES), (PATHS, KEY_PATHS), (SERVICES, SOPS_SERVICES)):
            if not re.fullmatch(form, environment.get(name, "")):
                raise SecretUnavailable(f"{name} is not a list of names separated by commas")
        return cls.said(
            environment.get(_FOLDER), *(environment.get(name, "") for name in (VARIABLES, PATHS, SERVICES))
        )

    def variable(self, name: str) -> bool:
        """Whether a document may name this variable of the environment."""
        return name.startswith(KEY_PREFIX) or _is_among(name, self.variables)

    def vault_path(self, path: str) -> bool:
        """Whether a document may name this path of Vault, which begins with its mount."""
        return is_key_path(path) or _is_among(path, self.vault_paths)


def _is_among(name: str, items: tuple[str, ...]) -> bool:
    return any(name.startswith(item[:-1]) if item.endswith("*") else name == item for item in items)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[, ]+", text) if word)
