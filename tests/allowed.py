"""What tests allow documents to name: short names of variables."""

ALLOWED = {"TUNNELWRIGHT_KEYS__VARIABLES": "KEY, NEW_KEY, NEXT"}
"""For the environment of a `SecretStore`."""
