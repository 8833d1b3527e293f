"""Keys in HashiCorp Vault or OpenBao: a version 2 key-value engine, read over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import hvac
import requests
from hvac import exceptions

from reconciler.doors.http import Deadline, TooLong, bounded_session
from reconciler.model.bounds import VAULT_ANSWER_BYTES, VAULT_SECONDS, VAULT_SECONDS_IN_ALL
from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.secrets.allowed import PATHS
from reconciler.secrets.private import read_private
from reconciler.secrets.provider import Answers, read_containers
from schemas.keys import KEY_FOLDER

_HINT = (
    "set VAULT_ADDR to Vault's address, and VAULT_TOKEN_FILE (as Vault Agent writes it) or "
    "VAULT_TOKEN to its token"
)


class Vault:
    """Reads each path once. Address, token, namespace and certificates come from Vault's own variables.

    Vault's token may read more than keys of tunnels, so `allows` says which paths documents may name.
    """

    def __init__(self, environment: Mapping[str, str], allows: Callable[[str], bool]) -> None:
        self._environment = environment
        self._allows = allows

    def read(self, references: Sequence[PskRef]) -> Answers:
        """Answer each; without a token or an address none."""
        allowed = [reference for reference in references if self._allows(reference.name)]
        answers = {reference: _foreign() for reference in references if reference not in allowed}
        return {**answers, **(self._read(allowed) if allowed else {})}

    def _read(self, references: Sequence[PskRef]) -> Answers:
        with (
            Deadline(VAULT_SECONDS_IN_ALL) as deadline,
            bounded_session(deadline, VAULT_ANSWER_BYTES) as session,
        ):
            try:
                client = self._client(session)
            except SecretUnavailable as error:
                return dict.fromkeys(references, error)
            return read_containers(references, lambda reference: _fields(client, reference.name))

    def _client(self, session: requests.Session) -> hvac.Client:
        address = self._environment.get("VAULT_ADDR")
        if not address:
            raise SecretUnavailable("VAULT_ADDR is not set", hint=_HINT)
        named = self._environment.get("VAULT_TOKEN_FILE")
        token = (
            read_private(Path(named)).reveal().decode(errors="replace")
            if named
            else self._environment.get("VAULT_TOKEN", "")
        )
        if not token:
            raise SecretUnavailable("there is no token for Vault", hint=_HINT)
        session.verify = self._environment.get("VAULT_CACERT") or True
        return hvac.Client(
            url=address,
            token=token.strip(),
            namespace=self._environment.get("VAULT_NAMESPACE") or None,
            timeout=VAULT_SECONDS,
            session=session,
            # A redirect would carry the token elsewhere.
            allow_redirects=False,
        )


def _foreign() -> SecretUnavailable:
    return SecretUnavailable(
        f"documents may not name this path: it does not begin with {KEY_FOLDER}/ in its mount",
        hint=f"move the key there, or allow the path with `keys.vaultPaths` of the settings, {PATHS}",
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
        raise SecretUnavailable("Vault has no value there") from None
    except exceptions.Forbidden:
        raise SecretUnavailable("Vault does not let this token read it") from None
    except exceptions.VaultError as error:
        raise SecretUnavailable(f"Vault refuses: {type(error).__name__}") from None
    except TooLong as error:
        raise SecretUnavailable(f"Vault's answer has {error}") from None
    except OSError as error:
        # Those of requests are; so is what it says of a file of certificates that is not there.
        # Its text may hold the address with what a user has put into it; its name says enough.
        raise SecretUnavailable(f"Vault does not answer: {type(error).__name__}") from None
    except (LookupError, TypeError, ValueError, RecursionError):
        raise SecretUnavailable("the answer is not from a version 2 key-value engine of Vault") from None
    if not isinstance(values, Mapping):
        raise SecretUnavailable("the answer is not from a version 2 key-value engine of Vault")
    return values
