"""Bounds of reports: findings, plans and lines."""

from __future__ import annotations

from typing import Final

from reconciler.model.bounds.sizes import KIB

MOST_YAML_FINDINGS: Final = 100
"""What is wrong with the YAML of one file, before the rest of it is not read any more."""

MOST_SCHEMA_FINDINGS: Final = 100
"""Fields of one document that are reported as wrong."""

MOST_FINDINGS: Final = 500
"""Findings that are reported, in any format; the rest is counted. No person corrects more at once, and code
scanning, comments and a terminal take no more."""

MOST_KEPT: Final = 5_000
"""Findings of one severity that are kept at all; the rest is counted. Each takes about 500 bytes, and 100 µs
to find its places."""

FIELDS_SHOWN: Final = 200
"""Fields of one resource that a plan shows to people; the rest is counted. An nftables table has one for each
pair of networks, and thousands are not readable."""

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

LONGEST_LINE: Final = 256 * KIB
"""Characters of a line for people. The longest of our own is a pre-shared key of 65,535 bytes in base64."""

OUTLETS: Final = 100
"""Pairs of networks of one tunnel end of which a plan says what the router's NAT does to their traffic once
the tunnel carries it no more: each is a walk through the rules."""
