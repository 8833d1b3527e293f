"""Bounds of Git: trees and their content, transfers, and signatures of commits."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import KIB, MIB

TREE_ENTRIES: Final = 200_000
"""Files and folders of one tree. 10,000 tunnels with a file each are 10,000; a listing of this many takes a
second and 100 MB.
"""

TREE_DEPTH: Final = 64
"""Folders inside each other. People use five; each costs a level of recursion."""

FILE_BYTES: Final = 16 * MIB
"""One file of the tree. 10,000 documents of the format in one file have 6 MB."""

LOOKED_AT_BYTES: Final = 16 * KIB
"""A file that holds no documents and is looked at for a private key. One of RSA with 16,384 bits, the longest
that OpenSSH makes, has 13 kB."""

TREE_BYTES: Final = 128 * MIB
"""All files of a tree that are read, together, equal ones counted each: eight of the largest. The documents
that TREE_VALUES allows have less than half of that."""

LISTING_BYTES: Final = 128 * MIB
"""What Git lists of a tree: its largest number of entries with paths of 600 bytes each."""

GIT_ANSWER: Final = 16 * MIB
"""What Git answers to a question that is no listing: names of commits, one commit."""

GIT_SECONDS: Final = 120.0
"""One question to a repository on this machine; the largest listing takes two seconds from a cold disk."""

GIT_FILE: Final = 4 * KIB
"""A `.git` that is a file: one path."""

FETCH_STALL: Final = 60.0
"""Seconds in which a remote has to send something that Git reports: it does so every second while bytes
come, and a busy server needs a while to count what it will send.
"""

FETCH_SECONDS: Final = 6 * 3600.0
"""One transfer in all, so that a remote that dribbles is given up in the end: 4 GiB at 1.6 Mbit/s."""

FETCH_BYTES: Final = 4096 * MIB
"""One transfer in all. A repository of desired state has megabytes; the disk is shared with the history."""

FETCH_TURN: Final = 60.0
"""Seconds that a fetch waits for another process that fetches into the same clone."""

COPIES_SET_ASIDE: Final = 1
"""Damaged clones of the repository that are kept for a person to look at: each may be as large as the
repository."""

SIGNED_COMMITS: Final = 1_000
"""Commits that are new since the last good one, each of which costs two runs of ssh-keygen (15 ms)."""

COMMIT_BYTES: Final = 1 * MIB
"""One commit object: header, signature and message."""

VERIFY_SECONDS: Final = 30.0
"""ssh-keygen or gpg with one signature; the bound is for a key agent or a lock that never answers."""

SIGNER_NAMES: Final = 100
"""Names under which the allowed signers have one key; each costs a run of ssh-keygen."""
