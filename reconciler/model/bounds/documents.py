"""Documents, settings and saved plans: how much of them is read.

The lengths of lists and texts in documents are part of the schema: schemas/base.py and the models.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import KIB, MIB

MOST_DIGITS: Final = 64
"""Characters of a number in YAML. No field takes more than 7; a name of 63 digits is still reported as one.
Python takes time that grows with the square of the digits, and refuses more than 4,300."""

MOST_VALUES: Final = 500_000
"""Keys, list members and other values in one file: each takes about 75 bytes of memory with its position, and
7 µs. 10,000 documents of the format in one file have 300,000."""

TREE_VALUES: Final = 3_000_000
"""The same in all files of a tree, equal ones counted each: 220 MB. A tunnel end has 36 to 62 of them, so
that 40,000 ends have 1.4 to 2.5 million. (200,000 ends with a document each would have 7 million, which take
50 s and 500 MB to read.) As many signs that begin one may be there; they are counted before anything is
read."""

MOST_SHAPES: Final = 1_000
"""Shapes of files that are kept while a tree is read. A fleet has as many as it has kinds of documents and
ways to write them."""

SHAPED_BYTES: Final = 64 * KIB
"""The largest file of which the shape is looked for: 60 documents of the format. The larger a file, the less
likely is another one of its shape."""

MOST_DEPTH: Final = 32
"""Mappings and sequences inside one another; the deepest document of the format has 6."""

MOST_DOCUMENTS: Final = 50_000
"""Documents in one file: 16 MiB of the format hold 30,000."""

MOST_VALUES_OF_DOCUMENT: Final = 20_000
"""Values in one document: a tunnel with 255 networks at either end has fewer than 600."""

MOST_EXPANDED: Final = 50_000
"""Tunnel ends that connections expand to. A connection has about as many values as the document of one end,
so that the bound on the values of a tree would let twice as many of them through."""

MOST_DERIVED_NAMES: Final = 200_000
"""Previous names of tunnel ends that follow from those of topologies and routers: four for each of the
ends that there may be. One end may have 124 of them."""

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

WINDOW_STEPS: Final = 1_000
"""Ends and beginnings of windows that are looked at to find the next time that is permitted."""

SETTINGS_BYTES: Final = MIB
"""The settings file: with everything that can be set it has 4 KiB."""

SAVED_PLAN_BYTES: Final = 256 * MIB
"""A saved plan: 10,000 tunnels that are new take 60 MiB."""
