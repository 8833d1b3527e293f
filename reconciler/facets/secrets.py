"""Shared secrets: a key's id carries its keyed fingerprint, so a changed key shows as a changed id."""

from __future__ import annotations

import hashlib

from reconciler.facets.connections import swanctl_id
from reconciler.model.fabric import IkeId, Tunnel
from reconciler.model.router_config import PREFIX, SharedSecret
from reconciler.model.secret import Secret, fingerprint

# VICI limits one message to 512 KiB and get-shared is a single one: 10,000 ids must stay below 49 bytes.
_NAME_LENGTH = 26
_OWNER_LENGTH = 255


def compile_secret(tunnel: Tunnel, psk: Secret, fingerprint_key: Secret) -> SharedSecret:
    """The key of one tunnel as charon holds it."""
    digest = fingerprint(psk, key=fingerprint_key, context=tunnel.name)
    return SharedSecret(
        # swanctl takes sections of `secrets` for IKE keys when their name starts with `ike`.
        id=f"{owner_tag(tunnel.name)}-{digest}",
        owners=owners(tunnel),
        secret=psk,
    )


def owners(tunnel: Tunnel) -> tuple[str, ...]:
    """The identities for which charon is to use a tunnel's key, each once.

    The addresses are among them because an IKEv1 responder looks the key up before it has seen an identity
    (RFC 2409, section 5.4).
    """
    found = (_owner(tunnel.local_id), _owner(tunnel.peer_id), tunnel.vip.address, tunnel.peer_address)
    return tuple(dict.fromkeys(found))


def _owner(identity: IkeId) -> str:
    """An identity as an owner of a key. VICI cuts an owner at 255 bytes (vici_cred.c), so a longer one goes
    without its type, which charon then finds itself: a name is a name, and with an `@` inside an e-mail."""
    text = swanctl_id(identity)
    return text if len(text.encode()) <= _OWNER_LENGTH else identity.value


def can_own(identity: IkeId) -> bool:
    """True when charon can have a key for the identity: one that is spelled in hexadecimal needs its type, so
    it may not be cut down to fit."""
    text = _owner(identity)
    return text.isascii() and not text.startswith("#")


def is_ours(secret_id: str) -> bool:
    """True for an id that this tool gave."""
    return secret_id.startswith(f"ike-{PREFIX}")


def digest_of(secret_id: str) -> str:
    """The fingerprint that an id carries, for display."""
    return secret_id.rpartition("-")[2]


def owner_of(secret_id: str) -> str:
    """What all ids of one tunnel's keys have in common, whatever the key."""
    return secret_id.rpartition("-")[0]


def owner_tag(tunnel: str) -> str:
    """The same, from the tunnel's name."""
    return f"ike-{PREFIX}{_short(tunnel)}"


def _short(tunnel: str) -> str:
    """A tunnel's name, or a digest behind its beginning. Names have no underscore, so none collide."""
    if len(tunnel) <= _NAME_LENGTH:
        return tunnel
    return f"{tunnel[:15]}_{hashlib.sha256(tunnel.encode()).hexdigest()[:10]}"
