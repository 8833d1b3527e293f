"""Encrypted files, as the programs that people use write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOPS = Path(sys.executable).parent / "sops"


def sops_encrypt(path: Path, recipient: str, *options: str) -> None:
    """Encrypt a file in place with the sops program."""
    subprocess.run(
        [SOPS, "encrypt", "--in-place", "--age", recipient, *options, str(path)],
        check=True,
        capture_output=True,
    )
