"""Bounds of routers: their answers, the time for them, and processes that are started on them."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import KIB, MIB

ROUTER_LISTED_PAIRS: Final = 200_000
"""Pairs of networks and of addresses of all connections and SAs that a router lists: eight times what one may
have (MOST_PAIRS_OF_ROUTER), as SAs list them again, twice while they are replaced."""

ROUTER_OBSERVATION_SECONDS: Final = 20.0
"""For a command that reads: `nft -j list ruleset` of 20,000 elements takes 2 s on a slow router. What comes
buys more time, at ROUTER_BYTES_PER_SECOND."""

ROUTER_CHANGE_SECONDS: Final = 60.0
"""For a command that changes something: it may say nothing while a disk or the kernel is busy."""

ROUTER_LONGEST_SECONDS: Final = 100.0
"""For any command, whatever came of it; shorter than the lease of a lock, so that no command outlives it."""

GO_BACK_SECONDS: Final = 80.0
"""How long a router that goes back at once is waited for; it goes on by itself. A charon that hangs, and four
tries, make it some minutes."""

ROUTER_OBSERVATION_SECONDS_IN_ALL: Final = 120.0
"""For all answers of one router in one observation, connecting included, so that six of which each stays
below its own limit do not hold up a run for ten minutes. An observation at 10,000 tunnels takes as long at 2
Mbit/s."""

ROUTER_APPLY_SECONDS_IN_ALL: Final = 240.0
"""For all answers of one router in its part of an apply: locks, observations, steps and proof, beside what
commands were given to wait for peers. Without its steps it is shorter than STANDSTILL and ENDING; with many,
each step that is done counts as progress, and what ENDING cuts off is left to the next run."""

ROUTER_STEP_SECONDS: Final = 0.25
"""What each step of a plan adds to that: one round trip over a slow line. 10,000 new tunnels are 40,000."""

DIAGNOSE_SECONDS: Final = 10.0
"""What each tunnel of a router that is diagnosed adds to the time of an observation, beside what commands
were given to wait: sessions for commands and for logs, SAs, echo requests, rules and routes."""

ROUTER_CONNECT_SECONDS: Final = 30.0
"""To connect: to the engine or sshd, log in, and reach charon's socket, each within a limit of its own."""

KEPT_LINKS: Final = 256
"""Connections that a run keeps for its next observation at their routers: each has one or two file
descriptors here, of which processes often have 1,024, and a process there. Beyond that many, routers are
logged in to anew."""

ROUTER_BYTES_PER_SECOND: Final = 16 * KIB
"""An answer has its seconds, and one more for each so many bytes: a slow line (128 kbit/s) is waited for, and
one byte every five seconds is not."""

ROUTER_OBSERVATION_BYTES: Final = 32 * MIB
"""Output of a command that reads: 10,000 tunnels take 20 MiB, as tar has 1 KiB around each file."""

ROUTER_WORDS_BYTES: Final = MIB
"""Output of a command that answers in words."""

ROUTER_STDERR_BYTES: Final = 16 * KIB
"""What is kept of a command's errors; the rest is read and forgotten."""

ROUTER_MESSAGE_CHARACTERS: Final = 500
"""Of a router's own words in one message."""

ROUTER_ADDRESSES_BYTES: Final = 4 * MIB
"""`ip -j address show`: 250 bytes for an address, so 16,000 of them. As objects they take 20 times that."""

ROUTER_RECORD_BYTES: Final = 2 * MIB
"""The record of the VIPs that tunnelwright added: 110 bytes for each at most, so 19,000 of them."""

OWNER_CHARACTERS: Final = 100
"""The document that asked for a VIP, in that record: a kind and a name of 63 characters."""

ROUTER_LISTING_BYTES: Final = 8 * MIB
"""`nft -j list …`: 130 bytes for an element, so 60,000 of them."""

ROUTER_FILES: Final = 20_000
"""Members of an archive: one file for each tunnel, twice as many as one router was tried with."""

ROUTER_FILE_BYTES: Final = MIB
"""One swanctl file: that of a tunnel has 2 KiB and its key, which VICI limits to 64 KiB."""

ROUTER_OWNED_FILES: Final = 1_000
"""Our files without keys: a dozen, and one for each interface that systemd-networkd manages."""

ROUTER_SETTING_CHARACTERS: Final = 100
"""The value of one kernel setting; those that are asked for are numbers."""

TRACES: Final = 10
"""Traces of who was at one router, the latest of them."""

TRACE_CHARACTERS: Final = 100
"""Of one of these lines."""

ROUTER_ENDING_SECONDS: Final = 5.0
"""For the engine to begin to end the processes of a command that was given up. Where it does not, they end by
the time limit that each was started with."""

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

VICI_WAITING: Final = 20_000
"""Events of a subscription that wait while a command is answered: 5,000 tunnels that go down and up."""

LEASE_SECONDS: Final = 600
"""The longest time for which a router's lock can be taken; one that ends later is not a lock of ours."""

LOCK_LEASE: Final = 120
"""Seconds for which a router's lock holds without being renewed. It is renewed three times in that, each
within LOCK_SECONDS; and a process that was killed on another machine delays an apply no longer than this."""

LOCK_SECONDS: Final = 10.0
"""For the command that takes or gives back a lock: it is one small script, and other routers wait for it."""

LOCK_ANSWER_BYTES: Final = 16 * KIB
"""What it answers: one line of LOCK_FILE_BYTES, or why the router refuses. So much buys one more second."""

LOCK_FILE_BYTES: Final = 600
"""A lock is one line: who holds it (user, host, process) and until when."""

STREAM_PACKETS: Final = 100_000
"""Echo requests of one stream: five minutes at 50 a second are 15,000."""

STREAMS: Final = 64
"""Streams of echo requests at once; of more tunnels the first by name are measured."""

STREAM_PACE: Final = 500.0
"""Echo requests a second of all streams together, whose share each of them has, up to 50: to measure takes
time of the routers that an apply needs too. 64 streams of 50 a second made an apply at 60 routers of one lab
three times as long, and lost packets that nothing else would have lost."""

STREAM_SECONDS: Final = 300.0
"""After which a stream that is not stopped ends by itself."""

CHARON_LOG_LINES: Final = 10_000
"""Lines of charon's log that are kept while a tunnel is tried; one negotiation has 100."""

CHARON_LOG_CHARACTERS: Final = 1_000
"""Of one such line."""

CHARON_LOG_SECONDS: Final = 2.0
"""How long a charon that is listened to is waited for: to begin, to fall silent, and to end."""

ANSWER_DEPTH: Final = 40
"""Levels of a JSON answer. nftables, which nests deepest, needs 12 for a rule; beyond a few hundred Python
itself gives up in whatever walks over it next."""

ANSWER_NUMBER: Final = 2**64 - 1
"""The largest number of an answer: what a 64-bit counter of the kernel or charon holds."""

RULES_WALKED: Final = 100_000
"""Firewall rules through which one packet is followed. Chains that jump to one another several times
multiply; a ruleset of 10,000 rules is large."""

RULES_DEPTH: Final = 16
"""Chains that jump to one another, each to the next: the kernel's own limit (nf_tables.h,
NFT_JUMP_STACK_SIZE)."""
