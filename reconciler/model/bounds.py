"""Every bound on what comes from outside, each with its reason: bytes, seconds in all, depth, counts.

What exceeds one is refused with the bound in the message. Whoever reads from outside takes its bound from
here, so that a reader sees all of them at once.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20

# What a router answers.

ROUTER_LOOK_SECONDS: Final = 20.0
"""For a command that reads: `nft -j list ruleset` of 20,000 elements takes 2 s on a slow router. What comes
buys more time, at ROUTER_BYTES_PER_SECOND."""
ROUTER_CHANGE_SECONDS: Final = 60.0
"""For a command that changes something: it may say nothing while a disk or the kernel is busy."""
ROUTER_LONGEST_SECONDS: Final = 100.0
"""For any command, whatever came of it; shorter than the lease of a lock, so that no command outlives it."""
ROUTER_BYTES_PER_SECOND: Final = 16 * KIB
"""An answer has its seconds, and one more for each so many bytes: a slow line (128 kbit/s) is waited for, and
one byte every five seconds is not."""
ROUTER_LOOK_BYTES: Final = 32 * MIB
"""Output of a command that reads: 10,000 tunnels take 20 MiB, as tar has 1 KiB around each file."""
ROUTER_WORDS_BYTES: Final = MIB
"""Output of a command that answers in words."""
ROUTER_STDERR_BYTES: Final = 16 * KIB
"""What is kept of a command's errors; the rest is read and forgotten."""
ROUTER_MESSAGE_CHARACTERS: Final = 500
"""Of a router's own words in one message."""
ROUTER_ADDRESSES_BYTES: Final = 4 * MIB
"""`ip -j address show`: 250 bytes for an address, so 16,000 of them. As objects they take 20 times that."""
ROUTER_LISTING_BYTES: Final = 8 * MIB
"""`nft -j list …`: 130 bytes for an element, so 60,000 of them."""
ROUTER_FILES: Final = 20_000
"""Members of an archive: one file for each tunnel, twice as many as one router was tried with."""
ROUTER_FILE_BYTES: Final = MIB
"""One swanctl file: that of a tunnel has 2 KiB and its key, which VICI limits to 64 KiB."""
ENGINE_SECONDS: Final = 20
"""For one answer of the container engine, beside the output of commands."""
VICI_PACKET_BYTES: Final = 512 * KIB
"""strongSwan's own limit for one message, in both directions (vici_socket.c)."""
VICI_SECONDS: Final = 15.0
"""For one answer of charon, beside the time that the command itself allows (`timeout`)."""
VICI_BYTES: Final = 32 * MIB
"""For all messages of one answer: those of 10,000 connections have 12 MiB."""
VICI_DEPTH: Final = 16
"""Sections within sections; `list-sas` has three."""
VICI_ELEMENTS: Final = 65_536
"""Elements of one message: `get-shared` is one list of all keys."""
VICI_ANSWER_ELEMENTS: Final = 1_000_000
"""Elements of all messages of one answer: 10,000 connections have 500,000; each takes 150 bytes of memory."""
LEASE_SECONDS: Final = 600
"""The longest time for which a router's lock can be taken; one that ends later is not a lock of ours."""
LOCK_FILE_BYTES: Final = 600
"""A lock is one line: who holds it (user, host, process) and until when."""
STREAM_PACKETS: Final = 100_000
"""Echo requests of one stream: five minutes at 50 a second are 15,000."""
HEARD_LINES: Final = 10_000
"""Lines of charon's log that are kept while a tunnel is tried; one negotiation has 100."""
HEARD_CHARACTERS: Final = 1_000
"""Of one such line."""
SWANCTL_PATTERNS: Final = 256
"""Patterns that a configuration includes with all that they lead to: each is one command on a router."""
