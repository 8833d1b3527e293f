"""Keys in files that SOPS encrypts, opened by the `sops` program."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.secrets.provider import Answers, read_containers

_PATIENCE = 60.0
"""Seconds for one file: key services answer over the network."""


class SopsFiles:
    """Opens each file once. Nothing that is decrypted touches a disk."""

    def __init__(self, identity: Path, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        if identity.is_file():
            # The identity that opens age files opens those of SOPS too, unless the user has named another.
            self._environment.setdefault("SOPS_AGE_KEY_FILE", str(identity))

    def read(self, references: Sequence[PskRef]) -> Answers:
        """Answer each."""
        program = shutil.which("sops", path=self._environment.get("PATH"))
        return read_containers(references, lambda reference: self._decrypted(program, reference))

    def _decrypted(self, program: str | None, reference: PskRef) -> Mapping[str, object]:
        if program is None:
            raise SecretUnavailable(
                "the program sops is not installed", hint="install SOPS, or use `age:` which needs no program"
            )
        kind = "json" if reference.name.endswith(".json") else "yaml"
        words = [program, "decrypt", "--input-type", kind, "--output-type", "json", "/dev/stdin"]
        try:
            done = subprocess.run(
                words,
                input=reference.sealed,
                capture_output=True,
                env=self._environment,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SecretUnavailable(f"sops did not answer within {_PATIENCE:.0f} s") from None
        except OSError as error:
            raise SecretUnavailable(f"sops cannot be run: {error.strerror}") from None
        if done.returncode:
            said = " ".join(done.stderr.decode(errors="replace").split())
            raise SecretUnavailable(f"sops ended with {done.returncode}: {said[:400]}")
        try:
            values = json.loads(done.stdout)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise SecretUnavailable("the file is no mapping")
        return values
