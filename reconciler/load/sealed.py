"""Files of encrypted keys: that they are encrypted is seen without opening them."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.load.composer import compose
from reconciler.load.documents import Sealed
from reconciler.model.bounds import SEALED_FILE_BYTES
from reconciler.model.credentials import private_key
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.listing import counted
from schemas.keys import KEY_FILE, SEALED_BY_AGE, SEALED_BY_SOPS

_AGE_BEGINNINGS = (b"-----BEGIN AGE ENCRYPTED FILE-----", b"age-encryption.org/v1\n")
"""Armored and not: the age format, sections "ASCII armor" and "Header"."""
_SOPS_VALUE = "ENC["
_SOPS_METADATA = "sops"
_HINT = "every reader of the repository knows it: replace it at both ends, and remove it from the history"


def is_sealed(name: str) -> bool:
    """True for the names of files that hold encrypted keys."""
    return name.endswith((SEALED_BY_AGE, *SEALED_BY_SOPS))


def report_private(names: Iterable[str], content: bytes, found: Diagnostics) -> None:
    """Refuse a key file, and a private key wherever it is: of an age identity, of SSH, OpenPGP or TLS.
    `names` are all that the file has."""
    held = private_key(content)
    for name in names:
        if name.endswith(KEY_FILE):
            what = f"a `{KEY_FILE}` file is a key in the clear, and belongs only on the controller"
            found.error("secret-in-clear", Location(name), what, hint=_HINT)
        if held is not None:
            what, place = held
            line, column = content.count(b"\n", 0, place) + 1, place - content.rfind(b"\n", 0, place)
            found.error("secret-in-clear", Location(name, line, column), what, hint=_HINT)


def read_sealed(name: str, content: bytes, found: Diagnostics) -> Sealed:
    """One file, of which no value is shown; what is in the clear where it must not be is in `found`."""
    if len(content) > SEALED_FILE_BYTES:
        found.error(
            "file-too-large",
            Location(name),
            f"{counted(len(content), 'byte')}; a file with encrypted keys has at most {SEALED_FILE_BYTES}",
        )
        return Sealed(content)
    if name.endswith(SEALED_BY_AGE):
        if not content.startswith(_AGE_BEGINNINGS):
            found.error(
                "secret-in-clear",
                Location(name),
                "the file is not encrypted: age's header is missing",
                hint=f"`tunnelwright secret set` writes it; if it holds a key, {_HINT}",
            )
        return Sealed(content)
    problems = Diagnostics()
    documents, whole = compose(content, name, problems)
    markers = [item for item in problems if item.code == "conflict-markers"]
    if markers:
        found.extend(markers)
        return Sealed(content)
    data = documents[0].data if len(documents) == 1 else None
    if not whole or not isinstance(data, dict) or not isinstance(data.get(_SOPS_METADATA), dict):
        # The details are not reported: a message might quote a key.
        found.error(
            "secret-in-clear",
            Location(name),
            "the file is not encrypted: it has no SOPS metadata",
            hint=f"`sops encrypt --in-place` encrypts it; if it holds a key, {_HINT}",
        )
        return Sealed(content)
    return Sealed(
        content,
        {
            key: value if isinstance(value, str) and value.startswith(_SOPS_VALUE) else ""
            for key, value in data.items()
            if key != _SOPS_METADATA
        },
    )
