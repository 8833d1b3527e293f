"""Whether the value behind a reference can be the key of a tunnel at all."""

from __future__ import annotations

from reconciler.model.bounds import KEY_BYTES
from reconciler.model.credentials import credential
from reconciler.model.errors import SecretUnavailable
from reconciler.model.listing import counted
from reconciler.model.secret import Secret

_LINE_ENDS = (b"\n", b"\r")


def check_key(key: Secret) -> None:
    """Raise SecretUnavailable for what is no key of a tunnel: another secret, several lines, too long.

    Every other byte is a key's own: spaces, quotes, any UTF-8, binary keys.
    """
    value = key.reveal()
    if len(value) > KEY_BYTES:
        raise SecretUnavailable(f"it has {counted(len(value), 'byte')}; a key has at most {KEY_BYTES}")
    if what := credential(value):
        raise SecretUnavailable(
            f"it contains {what}, which must not reach a router",
            hint="use a separate secret as the key of a tunnel, for example 32 random bytes",
        )
    if any(end in value for end in _LINE_ENDS):
        raise SecretUnavailable(
            "it has more than one line", hint="a key is one line, and a key file has only one key"
        )
