"""Peer sheets: the mirrored document for the administrator of an unmanaged peer, as a table or in a
vendor's syntax."""

TABLE = "table"
"""The format for people."""
SWANCTL = "swanctl"
"""The format for a strongSwan that is not managed."""
FORMATS = (TABLE, SWANCTL, "vyos", "ios", "fortigate", "junos")
"""Everything that a sheet can be printed as; the first is the default."""
