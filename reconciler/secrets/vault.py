"""Keys in HashiCorp Vault or OpenBao: a version 2 key-value engine, read over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import hvac
import requests
from hvac import exceptions

from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.secrets.private import read_private
from reconciler.secrets.provider import Answers, read_containers

_PATIENCE = 10.0
"""Seconds for one answer."""
_HINT = "VAULT_ADDR says where Vault is; VAULT_TOKEN_FILE (as Vault Agent writes it) or VAULT_TOKEN who asks"


class Vault:
    """Reads each path once. Address, token, namespace and certificates come from Vault's own variables."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def read(self, references: Sequence[PskRef]) -> Answers:
        """Answer each; without a token or an address none."""
        try:
            client = self._client()
        except SecretUnavailable as error:
            return dict.fromkeys(references, error)
        with contextlib.closing(client.adapter):
            return read_containers(references, lambda reference: _fields(client, reference.name))

    def _client(self) -> hvac.Client:
        address = self._environment.get("VAULT_ADDR")
        if not address:
            raise SecretUnavailable("VAULT_ADDR is not set", hint=_HINT)
        named = self._environment.get("VAULT_TOKEN_FILE")
        token = (
            read_private(Path(named)).reveal().decode() if named else self._environment.get("VAULT_TOKEN", "")
        )
        if not token:
            raise SecretUnavailable("there is no token for Vault", hint=_HINT)
        return hvac.Client(
            url=address,
            token=token.strip(),
            namespace=self._environment.get("VAULT_NAMESPACE") or None,
            verify=self._environment.get("VAULT_CACERT") or True,
            timeout=_PATIENCE,
            # A redirect would carry the token elsewhere.
            allow_redirects=False,
        )


def _fields(client: hvac.Client, name: str) -> Mapping[str, object]:
    """What a path holds. `name` is `MOUNT/PATH`; the engine's own `data/` is not written.

    Raises SecretUnavailable.
    """
    mount, _, path = name.partition("/")
    try:
        answer = client.secrets.kv.v2.read_secret_version(
            path=path, mount_point=mount, raise_on_deleted_version=True
        )
        values = answer["data"]["data"]
    except exceptions.InvalidPath:
        raise SecretUnavailable("Vault has nothing there") from None
    except exceptions.Forbidden:
        raise SecretUnavailable("Vault does not let this token read it") from None
    except exceptions.VaultError as error:
        raise SecretUnavailable(f"Vault refuses: {type(error).__name__}") from None
    except requests.RequestException as error:
        # Its text may hold the address with what a user has put into it; its name says enough.
        raise SecretUnavailable(f"Vault does not answer: {type(error).__name__}") from None
    except (KeyError, TypeError, ValueError):
        raise SecretUnavailable("what answers is no version 2 key-value engine of Vault") from None
    if not isinstance(values, Mapping):
        raise SecretUnavailable("what answers is no version 2 key-value engine of Vault")
    return values
