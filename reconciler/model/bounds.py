"""Every bound on what comes from outside, each with its reason: bytes, seconds in all, depth, counts.

What exceeds one is refused with the bound in the message. Whoever reads from outside takes its bound from
here, so that a reader sees all of them at once.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20

# Keys: what documents name, what the controller's folder holds, and what opens them.

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

# Documents, settings, saved plans, and what is reported of them. The lengths of lists and texts in documents
# are part of the schema: schemas/base.py and the models.

MOST_DIGITS: Final = 64
"""Characters of a number in YAML. No field takes more than 7; a name of 63 digits is still told to be one.
Python takes time that grows with the square of the digits, and refuses more than 4,300."""

MOST_VALUES: Final = 500_000
"""Keys, list members and other values in one file: each takes about 250 bytes of memory with its position.
10,000 documents of the format in one file have 300,000."""

MOST_DOCUMENTS: Final = 50_000
"""Documents in one file: 16 MiB of the format hold 30,000."""

MOST_VALUES_OF_DOCUMENT: Final = 20_000
"""Values in one document: a tunnel with 255 networks at either end has fewer than 600."""

MOST_YAML_FINDINGS: Final = 100
"""What is wrong with the YAML of one file, before the rest of it is not read any more."""

MOST_SCHEMA_FINDINGS: Final = 100
"""Fields of one document that are reported as wrong."""

MOST_FINDINGS: Final = 500
"""Findings that are reported, in any format; the rest is counted. Nobody mends more at once, and code
scanning, comments and a terminal take no more."""

MOST_KEPT: Final = 50_000
"""Findings of one severity that are kept at all; the rest is counted. Each takes about 500 bytes."""

MOST_PAIRS: Final = 500_000
"""Pairs of a source and a peer network that all tunnels carry together: 255 networks at either end of one
tunnel make 65,025. 10,000 tunnels with three networks at either end have 90,000."""

MOST_RELATED: Final = 5
"""Related places of one finding; the rest is counted."""

MOST_CHARACTERS: Final = 2_000
"""Characters of each text of a finding: a message may quote what the author wrote."""

MOST_SUGGESTIONS: Final = 30
"""Findings after which no near word is looked for any more: among thousands of names that takes a tenth of a
second each."""

MOST_CANDIDATES: Final = 20_000
"""Words among which a near one is looked for."""

MOST_UNREAD: Final = 256 * KIB
"""Characters of files that could not be read in full, in which each missing name is looked for. Of more than
that, any name may be in it."""

SETTINGS_BYTES: Final = MIB
"""The settings file: with everything that can be set it has 4 KiB."""

SAVED_PLAN_BYTES: Final = 256 * MIB
"""A saved plan: 10,000 tunnels that are new take 60 MiB."""

SWANCTL_BYTES: Final = 32 * MIB
"""One swanctl.conf with all that it includes. 10,000 connections take 10 MiB."""

SWANCTL_FILES: Final = 20_000
"""Files of one swanctl.conf, each counted as often as it is included."""

SWANCTL_SETTINGS: Final = 500_000
"""Settings and sections of one swanctl.conf once everything is inherited: a few lines that refer to one
another could make billions. 10,000 connections have 400,000."""

SWANCTL_DEPTH: Final = 64
"""Sections of swanctl.conf inside one another and inheriting from one another, all in all. A child of a
connection that inherits has 5."""
