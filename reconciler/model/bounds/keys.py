"""Keys: what documents name, what the controller's folder holds, and what opens them."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import MIB

KEY_BYTES: Final = 65_535
"""A tunnel's key. VICI gives the length of a value in 16 bits (strongSwan's README.md of the vici plugin)."""

PRIVATE_FILE_BYTES: Final = MIB
"""A file of the controller's folder: a key, an identity, a token. The longest has some hundred lines."""

SEALED_FILE_BYTES: Final = MIB
"""An age file of one key, or a SOPS file of several: the longest key takes 90 kB, a recipient 150 bytes."""

SOPS_OUTPUT_BYTES: Final = 4 * MIB
"""What sops prints: the content of a file as JSON, where a character may take six bytes."""

SOPS_SECONDS: Final = 60.0
"""One run of sops: key services answer over the network."""

SOPS_SECONDS_IN_ALL: Final = 300.0
"""All runs of sops for one set of keys, so that a hundred files that hang do not hang a run for an hour."""

VAULT_ANSWER_BYTES: Final = 4 * MIB
"""One answer of Vault, which holds at most 1 MiB under a path (its storage's limit) and metadata."""

VAULT_SECONDS: Final = 10.0
"""Silence of Vault within an answer."""

VAULT_SECONDS_IN_ALL: Final = 120.0
"""All answers of Vault for one set of keys: ten thousand take less than a minute."""
