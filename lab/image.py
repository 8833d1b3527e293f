"""Builds the lab's container image, named after its content so that it is built once."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from importlib import resources
from pathlib import Path

from lab.containers import state_root
from lab.engine import Engine, EngineUnavailable, Progress, install_missing, locked, quiet
from lab.topology import DEFAULT_RELEASE
from reconciler.model.errors import TunnelwrightError

REPOSITORY = "tunnelwright-lab"
LOCAL_BASE = "tunnelwright-base"
BASE_VARIABLE = "TUNNELWRIGHT_LAB_BASE"
_OPTIONS = ('--aptopt=Acquire::Check-Valid-Until "false"',)
"""A mirror that is kept as it was on some day has a release in preparation whose index is older than it says
that it is valid. It is signed all the same."""
FILES = ("Dockerfile", "entrypoint.sh", "send.py", "strongswan-lab.conf")


class ImageBroken(TunnelwrightError):
    """The image could not be built; the message holds what the build said last."""


def ensure_image(
    engine: Engine, release: str = DEFAULT_RELEASE, *, base: str = "", progress: Progress = quiet
) -> str:
    """The reference of the lab's image with a Debian release's strongSwan, built if the engine lacks it.

    `base` (or, for the default release, the variable TUNNELWRIGHT_LAB_BASE) names another Debian image to
    build on. Without it a minimal root is made by mmdebstrap where that is possible, and pulled from a
    registry elsewhere. Of two processes that want it at once one builds it and the other waits; the images
    of two releases are built side by side. Raises `ImageBroken`, `EngineUnavailable`.
    """
    if not base and release == DEFAULT_RELEASE:
        base = os.environ.get(BASE_VARIABLE, "")
    with locked(state_root() / f"image-{release}.lock"):
        base = base or _default_base(engine, release, progress)
        reference = image_reference(base)
        if not _present(engine, reference):
            progress(f"building the image {reference} on {base}")
            _build(engine, reference, base)
        return reference


def image_reference(base: str) -> str:
    """`tunnelwright-lab:<digest>` of the build's files and of the base's name."""
    digest = hashlib.sha256(base.encode())
    for name, content in _files().items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return f"{REPOSITORY}:{digest.hexdigest()[:16]}"


def _files() -> dict[str, bytes]:
    folder = resources.files("lab") / "image"
    return {name: (folder / name).read_bytes() for name in FILES}


def _present(engine: Engine, reference: str) -> bool:
    with engine.connect() as client:
        return bool(client.images(name=reference, quiet=True))


def _default_base(engine: Engine, release: str, progress: Progress) -> str:
    local = f"{LOCAL_BASE}:{release}"
    if _present(engine, local):
        return local
    if not shutil.which("mmdebstrap"):
        try:
            install_missing({"mmdebstrap": "mmdebstrap"}, progress)
        except EngineUnavailable:
            return f"debian:{release}-slim"
    progress(f"making the base image {local} (mmdebstrap)")
    with tempfile.TemporaryDirectory(prefix="tunnelwright-") as folder:
        root = Path(folder) / "root.tar"
        done = subprocess.run(
            ["mmdebstrap", "--variant=minbase", *_OPTIONS, release, str(root)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ImageBroken(
                "mmdebstrap cannot make a Debian root: " + done.stderr.strip()[-500:],
                hint=f"name a base image in {BASE_VARIABLE} instead",
            )
        with engine.connect() as client:
            client.import_image_from_file(str(root), repository=LOCAL_BASE, tag=release)
    return local


def _build(engine: Engine, reference: str, base: str) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in _files().items():
            # No times nor owners: equal files give an equal context, and the build's cache holds.
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    context.seek(0)
    said: list[str] = []
    with engine.connect() as client:
        for event in client.build(
            fileobj=context,
            custom_context=True,
            tag=reference,
            buildargs={"BASE": base},
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
        ):
            if "error" in event:
                last = "".join(said[-12:]).strip()
                raise ImageBroken(
                    f"the lab's image cannot be built: {str(event['error']).strip()}\n{last}",
                    hint=f"check that the base image {base} exists, and that its package mirror is reachable",
                )
            said.append(str(event.get("stream", "")))
