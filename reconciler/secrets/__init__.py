"""Key references -> keys: from files, environment variables, age and SOPS files of the repository, Vault."""

from reconciler.secrets.allowed import FOLDER, Allowed
from reconciler.secrets.private import may_write, read_private, replace_whole, usual_mode
from reconciler.secrets.store import FINGERPRINT_KEY, SecretStore, default_folder, missing
from reconciler.secrets.strength import STRONG_KEY_HINT, weakness

__all__ = [
    "FINGERPRINT_KEY",
    "FOLDER",
    "STRONG_KEY_HINT",
    "Allowed",
    "SecretStore",
    "default_folder",
    "may_write",
    "missing",
    "read_private",
    "replace_whole",
    "usual_mode",
    "weakness",
]
