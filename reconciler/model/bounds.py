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
"""Keys, list members and other values in one file: each takes about 75 bytes of memory with its position, and
7 µs. 10,000 documents of the format in one file have 300,000."""

TREE_VALUES: Final = 3_000_000
"""The same in all files of a tree, equal ones counted each: 220 MB. A tunnel end has 36 to 62 of them, so
that 40,000 ends have 1.4 to 2.5 million. (200,000 ends with a document each would have 7 million, which take
50 s and 500 MB to read.) As many signs that begin one may be there; they are counted before anything is
read."""

MOST_DEPTH: Final = 32
"""Mappings and sequences inside one another; the deepest document of the format has 6."""

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

MOST_KEPT: Final = 5_000
"""Findings of one severity that are kept at all; the rest is counted. Each takes about 500 bytes, and 100 µs
to find its places."""

MOST_PAIRS_OF_TUNNEL: Final = 4_096
"""Pairs of a source and a peer network that one tunnel carries: 16 networks at one end and 255 at the other.
charon sets three policies for each in the kernel."""

MOST_CHILDREN: Final = 1_024
"""The same with IKEv1, which carries one pair in each CHILD_SA. All of a connection's are one message to
charon, in which one has 240 bytes (VICI_PACKET_BYTES), and one file, in which it has 400
(ROUTER_FILE_BYTES)."""

MOST_PAIRS_OF_ROUTER: Final = 25_000
"""The same of all tunnels of a router. Each pair is two elements of its nftables table, of which a router's
answer has room for 60,000 (ROUTER_LISTING_BYTES)."""

MOST_PAIRS: Final = 50_000
"""The same of all tunnels together, whatever few documents multiply to: each takes 15 µs and 1.2 kB to plan,
so that a plan of this many from nothing takes less than 2 s and 200 MB; twice that when all of them change.
780 tunnel ends with eight networks at either end have 49,920."""

PAIRS_OF_END: Final = 4
"""As many for each tunnel end may be there where that is more: two networks at either end. A fleet so large
takes longer to read than its pairs to plan."""

FIELDS_SHOWN: Final = 200
"""Fields of one resource that a plan shows to people; the rest is counted. An nftables table has one for each
pair of networks, and nobody reads thousands."""

FIELDS_WRITTEN: Final = 2_000
"""The same in JSON and in the saved plan, whose digest is over all of them."""

EXPOSED_WRITTEN: Final = 10_000
"""Pairs of networks whose traffic would leave in the clear, in JSON; the rest is counted."""

MOST_RELATED: Final = 5
"""Related places of one finding; the rest is counted."""

MOST_CHARACTERS: Final = 2_000
"""Characters of each text of a finding: a message may quote what the author wrote."""

MOST_SUGGESTIONS: Final = 30
"""Findings after which no near word is looked for any more: among thousands of names that takes a tenth of a
second each."""

MOST_CANDIDATES: Final = 20_000
"""Words among which a near one is looked for."""

MOST_MISSPELT: Final = 255
"""Characters of a word for which a near one is looked for; longer words are no misspelt names."""

MOST_UNREAD: Final = 256 * KIB
"""Characters of files that could not be read in full, in which each missing name is looked for. Of more than
that, any name may be in it."""

WINDOW_STEPS: Final = 1_000
"""Ends and beginnings of windows that are looked at to find the next time that is permitted."""

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

SWANCTL_INCLUDES: Final = 16
"""Files of swanctl.conf that include one another, each the next: the packaged one includes one level."""

SWANCTL_SECTIONS: Final = 32
"""Sections of swanctl.conf inside one another; a child of a connection is in three."""

# Git and what is read of a tree

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
CHILD_WORDS: Final = 4 * KIB
"""What is kept of a child's standard error, the end of it: the sentence that says why it ended."""
CHILD_GRACE_SECONDS: Final = 5.0
"""What a child has to remove its unfinished files in when it is told to end, before it is killed."""
GIT_SECONDS: Final = 120.0
"""One question to a repository on this machine; the largest listing takes two seconds from a cold disk."""
GIT_FILE: Final = 4 * KIB
"""A `.git` that is a file: one path."""
FETCH_STALL: Final = 60.0
"""Seconds in which a remote has to send something that Git tells of: it does so every second while bytes
come, and a busy server needs a while to count what it will send.
"""
FETCH_SECONDS: Final = 6 * 3600.0
"""One transfer in all, so that a remote that dribbles is given up in the end: 4 GiB at 1.6 Mbit/s."""
FETCH_BYTES: Final = 4096 * MIB
"""One transfer in all. A repository of desired state has megabytes; the disk is shared with the history."""
FETCH_TURN: Final = 60.0
"""Seconds that a fetch waits for another process that fetches into the same copy."""
COPIES_SET_ASIDE: Final = 1
"""Damaged copies of the repository that are kept for a person to look at: each may be as large as the
repository."""
SIGNED_COMMITS: Final = 1_000
"""Commits that are new since the last good one, each of which costs two runs of ssh-keygen (15 ms)."""
COMMIT_BYTES: Final = 1 * MIB
"""One commit object: header, signature and message."""
VERIFY_SECONDS: Final = 30.0
"""ssh-keygen or gpg with one signature; the bound is for a key agent or a lock that never answers."""
SIGNER_NAMES: Final = 100
"""Names under which the allowed signers have one key; each costs a run of ssh-keygen."""
ACCEPTED_COMMITS: Final = 10_000
"""Commits that were accepted, of which the history remembers by whom and when; older ones go."""

# What a router answers.

ROUTER_LISTED_PAIRS: Final = 200_000
"""Pairs of networks and of addresses of all connections and SAs that a router lists: eight times what one may
have (MOST_PAIRS_OF_ROUTER), as SAs list them again, twice while they are replaced."""
ROUTER_LOOK_SECONDS: Final = 20.0
"""For a command that reads: `nft -j list ruleset` of 20,000 elements takes 2 s on a slow router. What comes
buys more time, at ROUTER_BYTES_PER_SECOND."""
ROUTER_CHANGE_SECONDS: Final = 60.0
"""For a command that changes something: it may say nothing while a disk or the kernel is busy."""
ROUTER_LONGEST_SECONDS: Final = 100.0
"""For any command, whatever came of it; shorter than the lease of a lock, so that no command outlives it."""
ROUTER_LOOK_SECONDS_IN_ALL: Final = 120.0
"""For all answers of one router in one look, connecting included, so that six of which each stays below its
own limit do not hold up a run for ten minutes. A look at 10,000 tunnels takes as long at 2 Mbit/s."""
ROUTER_APPLY_SECONDS_IN_ALL: Final = 240.0
"""For all answers of one router in its part of an apply: locks, looks, steps and proof, beside what commands
were told to wait for peers. Without its steps it is shorter than STANDSTILL and ENDING; with many, each step
that is done counts as progress, and what ENDING cuts off is left to the next run."""
ROUTER_STEP_SECONDS: Final = 0.25
"""What each step of a plan adds to that: one round trip over a slow line. 10,000 new tunnels are 40,000."""
DIAGNOSE_SECONDS: Final = 10.0
"""What each tunnel of a router that is diagnosed adds to the time of a look, beside what commands were told
to wait: sessions to act and to listen by, SAs, echo requests, rules and routes."""
ROUTER_CONNECT_SECONDS: Final = 30.0
"""To connect: to the engine or sshd, log in, and reach charon's socket, each within a limit of its own."""
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
ROUTER_SETTING_CHARACTERS: Final = 100
"""The value of one kernel setting; those that are asked for are numbers."""
TRACES: Final = 10
"""What one router tells of who was there, the latest of it."""
TRACE_CHARACTERS: Final = 100
"""Of one of these lines."""
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
LOCK_LEASE: Final = 120
"""Seconds for which a router's lock holds without being renewed. It is renewed three times in that, each
within LOCK_SECONDS; and whoever was killed on another machine holds up an apply no longer than this."""
LOCK_SECONDS: Final = 10.0
"""For the command that takes or gives back a lock: it is one small script, and other routers wait for it."""
LOCK_ANSWER_BYTES: Final = 16 * KIB
"""What it answers: one line of LOCK_FILE_BYTES, or why the router refuses. So much buys one more second."""
LOCK_FILE_BYTES: Final = 600
"""A lock is one line: who holds it (user, host, process) and until when."""
STREAM_PACKETS: Final = 100_000
"""Echo requests of one stream: five minutes at 50 a second are 15,000."""
STREAMS: Final = 64
"""Streams of echo requests at once; of more tunnels the first by name are measured. Each is 50 packets a
second."""
STREAM_SECONDS: Final = 300.0
"""After which a stream ends by itself, should nobody stop it."""
HEARD_LINES: Final = 10_000
"""Lines of charon's log that are kept while a tunnel is tried; one negotiation has 100."""
HEARD_CHARACTERS: Final = 1_000
"""Of one such line."""
HEARD_SECONDS: Final = 2.0
"""How long a charon that is listened to is waited for: to begin, to fall silent, and to end."""
SWANCTL_PATTERNS: Final = 256
"""Patterns that a configuration includes with all that they lead to: each is one command on a router."""

# What routers answer, once it has been read.

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

# The service: who calls it, whom it calls, and what it remembers.

WEB_CONNECTIONS: Final = 100
"""Open connections to the web server. One more closes the oldest that has not sent a whole request, so that
half-open ones keep nobody out; and the rest of the process has file descriptors left (1,024 is usual)."""
WEB_HEADER: Final = 16 * KIB
"""Bytes of a request's line and headers; forges send less than 2 KiB."""
WEBHOOK: Final = 4 * MIB
"""Bytes of a webhook, which are kept before anybody knows whether it is signed. GitHub's limit is 25 MB, of
which a push takes some kilobytes; one that is larger is not needed, since the interval brings its commit."""
WEB_SECONDS: Final = 20.0
"""Seconds in all that a caller has to send a request, to take its answer, or to be idle in between."""
SCRAPES: Final = 2
"""Scrapes that are written at once: of four threads two are left for all else."""
WEB_THREADS: Final = 4
"""Requests that are answered at once."""
WEB_TURN: Final = 10
"""Connections that are taken, or ended to make room, in one turn."""
UNTAKEN: Final = 64 * MIB
"""Bytes of metrics that wait for their callers to take them; those of 10,000 tunnels are 7 MiB."""
STANDSTILL: Final = 300.0
"""Seconds without a sign of progress, beyond the interval and the patience for tunnels, after which
`/healthz` says that the service hangs. No single exchange with a router or a remote may take that long."""
ENDING: Final = 270.0
"""Seconds that a run has to end in when the service is told to: below the 300 after which systemd and
the container's engine end it by force."""
FORGE_SECONDS: Final = 20.0
"""Seconds in all for one question to a forge, its repetitions included."""
FORGE_CONNECT_SECONDS: Final = 5.0
"""Seconds to reach a forge."""
FORGE_SILENCE_SECONDS: Final = 10.0
"""Silence of a forge within an answer."""
FORGE_ANSWER: Final = 8 * MIB
"""Bytes of a forge's answer, unpacked: 100 comments of 64 KiB and what surrounds them."""
FORGE_LIST: Final = 64 * MIB
"""Bytes of all pages of a list; comments of 100 pages would be 640 MiB."""
FORGE_PAGES: Final = 100
"""Pages of a list; a forge gives 100 items on each."""
FORGE_LIST_SECONDS: Final = 120.0
"""Seconds in all for the pages of a list."""
FORGE_WORDS: Final = 300
"""Characters of a refusal that are repeated."""
ANNOUNCE_SECONDS: Final = 30.0
"""What forges and message services have when a command that has announced something ends."""
MESSAGE_SECONDS: Final = 60.0
"""Seconds in all to hand one message to its service; mail servers may greet late."""
MESSAGE_WORDS: Final = MIB
"""Bytes of each output of the process that hands a message over, which writes a line or two."""
MESSAGE_MEMORY: Final = 1024 * MIB
"""Bytes of address space of the process that hands a message over; it needs some 300 MiB."""
MESSAGE_RUNS: Final = 100
"""Runs that a message looks back on, when nobody could be told for long."""
ASKED_ROUTERS: Final = 20
"""Routers that one run asks who was there."""
ASKED_SECONDS: Final = 86_400
"""The time before now for which they are asked, at most."""
RECORD: Final = 8 * MIB
"""Bytes of what one run found, as JSON; the rest is counted. A first apply of 1,000 tunnels has 4 MiB."""
RECORD_MESSAGE: Final = 4 * KIB
"""Characters of the sentence about a run."""
RECORD_NAMED: Final = 5
"""Of what one sentence of a record names; more are counted, so that it stays one line."""
RECORD_DIAGNOSTICS: Final = 100
"""Findings of a commit that its record keeps; more are counted. A commit may be broken in every line."""
RUNS_KEPT: Final = 10_000
"""Runs that the history's file keeps; older ones go. One that finds nothing to do counts as a repeat of the
one before, so these are months of changes."""
RUNS_IN_MEMORY: Final = MESSAGE_RUNS
"""Runs that are remembered beside the history's file; as many as a message looks back on."""
RECORDS_IN_MEMORY: Final = 32 * MIB
"""Bytes of those, as JSON; older ones go."""
SET_ASIDE: Final = 3
"""Damaged histories that are kept for a person to look at."""
HISTORY_SECONDS: Final = 5.0
"""Seconds to wait for whoever has locked the history."""

# Outputs

LONGEST_LINE: Final = 256 * KIB
"""Characters of a line for people. The longest of our own is a pre-shared key of 65,535 bytes in base64."""

# An apply, on routers that are busy with other things as well.

CLEAR_SECONDS: Final = 3.0
"""How long an apply waits for what traffic negotiates at a tunnel that it is about to switch: some round
trips between routers that are busy. A tunnel at which nothing is negotiated is not waited for."""

SETTLE_SECONDS: Final = 8.0
"""How long an apply waits for a switched tunnel to come to rest: long enough for one retransmission of IKE,
which charon sends after 4 s. A tunnel that is at rest is not waited for."""

SETTLE_TURN_SECONDS: Final = 1.0
"""How long one router may take to list its SAs, or to do what brings a tunnel to rest, before the tunnels of
the others go on without it. `list-sas` of 1,000 tunnels takes a tenth of that."""

ANSWER_MILLISECONDS: Final = 3_000
"""How long charon may wait for a peer before it answers a command to initiate or terminate: less than
VICI_SECONDS, as all of these are. To charon 0 means to wait for ever."""

FORCED_MILLISECONDS: Final = 500
"""The same for an SA that goes even if its peer does not answer."""

EXPLAINED: Final = 3
"""Connections of one router that did not come up and are tried once more to hear why; each costs
ANSWER_MILLISECONDS."""

ESTABLISH_SECONDS: Final = 10.0
"""How long charon may take, at most, to bring up new SAs beside running ones, whatever the patience: all of
one router together, so that a hundred peers that do not answer cost little more than one."""

ENDING_SECONDS: Final = 10.0
"""How long an apply waits for peers of one router to answer that their SAs end, all of them together. charon
ends an SA whose peer is silent all the same."""

HURRIED_MILLISECONDS: Final = 50
"""For each of them once that time is used up."""

# What a diagnosis waits for.

ATTEMPT_MILLISECONDS: Final = 5_000
"""One attempt to initiate: charon sends again after 4 s, which is what tells a silent peer."""

REKEY_SECONDS: Final = 6.0
"""A new CHILD_SA: one retransmission, as in SETTLE_SECONDS, between two ends of which neither is switched."""

ROUTE_QUESTIONS: Final = 8
"""Addresses of one peer CIDR for which the kernel is asked for its route."""
