"""How a command reaches keys and routers.

Callers of these name this module as well (`access.connector`): it is the one place where they are chosen.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from reconciler.cli.output import note
from reconciler.model.errors import TunnelwrightError
from reconciler.model.extras import require
from reconciler.model.fabric import Fabric, SshAccess
from reconciler.routers.fleet import Fleet
from reconciler.routers.links import Links
from reconciler.routers.protocol import Connect, Router
from reconciler.secrets import SecretStore, default_folder
from reconciler.secrets.stand_ins import StandIns


def secret_store(arguments: argparse.Namespace) -> SecretStore:
    """The key store that `--secrets` names, or the user's own; for a lab the stand-ins that are asked for.

    Raises TunnelwrightError when those are asked for without a lab.
    """
    if "stand_in_keys" in arguments and arguments.stand_in_keys:
        if arguments.lab is None:
            raise TunnelwrightError(
                "the keys of --stand-in-keys are not secret, so they are for labs only", hint="name a --lab"
            )
        return StandIns()
    folder = arguments.secrets or os.environ.get("TUNNELWRIGHT_SECRETS") or default_folder()
    return SecretStore(Path(folder), note=note)


def connector(fabric: Fabric, lab: str | None, links: Links) -> Connect:
    """How each router of a fabric is reached: as its document says, or in a lab; what that takes is kept in
    `links`. Raises ExtraMissing for a lab where its packages are not installed; where those of one router
    are not, connecting to that raises it."""
    if lab is not None:
        require("lab")

    def connect(name: str) -> Router:
        access = fabric.routers[name].access
        if lab is None and isinstance(access, SshAccess):
            from reconciler.routers.ssh_router import SshRouter  # noqa: PLC0415  800 ms that labs need not pay

            return SshRouter(name, access, links)
        require("docker")
        from reconciler.routers.docker_router import DockerRouter  # noqa: PLC0415

        return DockerRouter(fabric.routers[name], lab, links)

    return connect


def fleet_of(fabric: Fabric, arguments: argparse.Namespace) -> Fleet:
    """The routers of a fabric, as `--lab` and `--parallelism` say."""
    return Fleet(connector(fabric, arguments.lab, arguments.links), arguments.parallelism)
