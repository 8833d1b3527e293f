"""Keys in files that SOPS encrypts, opened by the `sops` program."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reconciler.doors.processes import ChildFailed, ChildResult, decoded, finished
from reconciler.load.composer import compose
from reconciler.model.bounds import SEALED_FILE_BYTES, SOPS_OUTPUT_BYTES, SOPS_SECONDS, SOPS_SECONDS_IN_ALL
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.secrets.allowed import SERVICES
from reconciler.secrets.provider import Answers, read_containers

_METADATA = "sops"
_OWN = "age"
"""What opens a file without a service: the identity."""
_SERVICES: Mapping[str, tuple[str, ...]] = {
    "kms": ("AWS_",),
    "gcp_kms": ("GOOGLE_", "CLOUDSDK_", "GCLOUD_"),
    "azure_kv": ("AZURE_", "IDENTITY_", "MSI_"),
    "hc_vault": ("VAULT_",),
    "pgp": ("GNUPGHOME", "GPG_", "SOPS_GPG_EXEC"),
}
"""Each service of SOPS's metadata, and the beginnings of the variables that say how it is reached."""
_ALWAYS = ("PATH", "HOME", "USER", "LANG", "LC_", "TMPDIR", "XDG_CONFIG_HOME", "SOPS_AGE_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_")


class SopsFiles:
    """Opens each file once. Nothing that is decrypted touches a disk.

    `allowed` are the services that files may name.
    """

    def __init__(self, identity: Path, environment: Mapping[str, str], allowed: frozenset[str]) -> None:
        program = shutil.which("sops", path=environment.get("PATH"))
        # The child runs elsewhere, so that no `.sops.yaml` of the caller is read.
        self._program = None if program is None else str(Path(program).absolute())
        self._allowed = allowed
        needed = [*_ALWAYS, *(_PROXIES if allowed else ())]
        needed += [word for service in sorted(allowed) for word in _SERVICES.get(service, ())]
        self._environment = {
            name: value for name, value in environment.items() if name.startswith(tuple(needed))
        }
        # The identity that opens age files opens those of SOPS too, unless the user has named another.
        named = environment.get("SOPS_AGE_KEY_FILE") or (str(identity) if identity.is_file() else "")
        if named:
            self._environment["SOPS_AGE_KEY_FILE"] = str(Path(named).absolute())

    def read(self, references: Sequence[PskRef]) -> Answers:
        """Answer each."""
        deadline = time.monotonic() + SOPS_SECONDS_IN_ALL
        return read_containers(references, lambda reference: self._opened(reference, deadline))

    def _opened(self, reference: PskRef, deadline: float) -> Mapping[str, object]:
        if self._program is None:
            raise SecretUnavailable(
                "the program sops is not installed",
                hint="install SOPS, or use `age:`, which does not need a program",
            )
        if len(reference.sealed) > SEALED_FILE_BYTES:
            raise SecretUnavailable(f"the file has more than {SEALED_FILE_BYTES} bytes")
        self._check_services(reference.sealed)
        seconds = min(SOPS_SECONDS, deadline - time.monotonic())
        if seconds <= 0:
            raise SecretUnavailable(
                f"decrypting the SOPS files took more than {SOPS_SECONDS_IN_ALL:.0f} s in total"
            )
        done = self._decrypted(self._program, reference.sealed, seconds)
        if done.status:
            said = decoded(b" ".join(done.errors.split()))
            raise SecretUnavailable(f"sops ended with {done.status}: {said[:400]}")
        try:
            values = json.loads(done.output)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise SecretUnavailable("the file is not a mapping")
        return values

    def _decrypted(self, program: str, sealed: bytes, seconds: float) -> ChildResult:
        words = [program, "decrypt", "--input-type", "yaml", "--output-type", "json", "/dev/stdin"]
        try:
            return finished(words, sealed, self._environment, seconds=seconds, most=SOPS_OUTPUT_BYTES)
        except ChildFailed as error:
            raise SecretUnavailable(f"sops: {error.message}") from None

    def _check_services(self, sealed: bytes) -> None:
        """The author of the file chooses what sops asks to open it, and where that is: with the controller's
        credentials. Raises SecretUnavailable for what the operator has not allowed."""
        documents, whole = compose(sealed, "", Diagnostics())
        data = documents[0].data if whole and len(documents) == 1 else None
        metadata = data.get(_METADATA) if isinstance(data, dict) else None
        if not isinstance(metadata, dict):
            raise SecretUnavailable("the file is not encrypted: it has no SOPS metadata")
        foreign = sorted(set(_asked(metadata)) - self._allowed)
        if foreign:
            raise SecretUnavailable(
                f"to decrypt the file, sops would use {', '.join(map(repr, foreign))[:200]}",
                hint=f"encrypt it with age, or allow these services with `keys.sopsServices` of the "
                f"settings, {SERVICES}",
            )


def _asked(metadata: Mapping[str, object]) -> Iterator[str]:
    """Whatever the metadata list by which the file could be opened, but for age. What is no list or mapping
    says how the file is encrypted, not by what it is opened."""
    for name, value in metadata.items():
        if name == _OWN or not value or not isinstance(value, list | dict):
            continue
        yield str(name)
        for group in value if name == "key_groups" and isinstance(value, list) else ():
            if isinstance(group, dict):
                yield from _asked(group)
