"""From arguments to a validated fabric, a key store and a way to reach its routers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.output import Output, say
from reconciler.load import Loaded, load_revision, load_tree
from reconciler.model.diagnostic import Diagnostic, reported
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import Fabric, SshAccess
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json_lines import diagnostic_object
from reconciler.validate import validate

if TYPE_CHECKING:
    from reconciler.history.store import History
    from reconciler.routers.fleet import Connect
    from reconciler.routers.links import Links
    from reconciler.routers.protocol import Router
    from reconciler.secrets import SecretStore
    from reconciler.service.mirror import Mirror
    from reconciler.service.settings import Effective
    from schemas.settings import ReconcileSettings


HISTORY = "history.db"
"""The history's file in the folder of the service."""


class InvalidDesiredState(TunnelwrightError):
    """The desired state has errors; they have been printed."""

    exit_code = ExitCode.INVALID


class InvalidSettings(TunnelwrightError):
    """The reconciler's own settings have errors; they have been printed."""

    exit_code = ExitCode.INVALID


def load(tree: Path, rev: str | None) -> Loaded:
    """Read the documents of a working tree or of a revision.

    Raises SourceUnavailable.
    """
    return load_tree(tree) if rev is None else load_revision(tree, rev)


def load_fabric(tree: Path, rev: str | None, output: Output) -> tuple[Fabric, Loaded]:
    """Load and validate, printing every finding.

    Raises SourceUnavailable, and InvalidDesiredState when there are errors.
    """
    loaded = load(tree, rev)
    fabric, found = validate(loaded)
    show_findings(found, tree, output)
    if found.errors:
        raise InvalidDesiredState("the desired state is not valid; nothing was done")
    return fabric, loaded


def show_findings(found: Iterable[Diagnostic], tree: Path, output: Output) -> None:
    """Print findings with their files as the user would open them: to standard error, or as JSON."""
    placed = [item.below(str(tree)) for item in reported(found)]
    output.lines(diagnostic_lines(placed), sys.stderr)
    output.objects(diagnostic_object(item) for item in placed)


def service_settings(path: Path | None, output: Output) -> Effective:
    """The reconciler's own settings, printing every finding.

    Raises SourceUnavailable, and InvalidSettings when there are errors.
    """
    from reconciler.model.diagnostic import Diagnostics  # noqa: PLC0415
    from reconciler.service.settings import read_settings  # noqa: PLC0415

    found = Diagnostics()
    settings = read_settings(path, os.environ, found)
    shown = reported(found)
    output.lines(diagnostic_lines(shown), sys.stderr)
    output.objects(diagnostic_object(item) for item in shown)
    if settings is None:
        raise InvalidSettings("the settings are not valid; nothing was done")
    return settings


def open_history(config: Path | None, output: Output) -> History:
    """The history of the reconciler with these settings.

    Raises SourceUnavailable, InvalidSettings, and TunnelwrightError when it cannot be used.
    """
    from reconciler.history.store import History  # noqa: PLC0415

    return History(Path(service_settings(config, output).values.state).expanduser() / HISTORY)


def mirror_of(settings: ReconcileSettings, progress: Callable[[str], None]) -> Mirror:
    """The reconciler's copy of its repository; `progress` hears of transfers that take longer."""
    from reconciler.load.git import Watch  # noqa: PLC0415
    from reconciler.service.mirror import Mirror  # noqa: PLC0415

    folder = Path(settings.state).expanduser() / "repository.git"
    watch = Watch(progress=progress)
    return Mirror(folder, settings.repository, settings.branch, settings.folder, watch)


def secret_store(arguments: argparse.Namespace) -> SecretStore:
    """The key store that `--secrets` names, or the user's own; for a lab the stand-ins that are asked for.

    Raises TunnelwrightError when those are asked for without a lab.
    """
    from reconciler.secrets import SecretStore, default_folder  # noqa: PLC0415

    if "stand_in_keys" in arguments and arguments.stand_in_keys:
        from reconciler.secrets.stand_ins import StandIns  # noqa: PLC0415

        if arguments.lab is None:
            raise TunnelwrightError("everybody knows the keys of --stand-in-keys", hint="name a --lab")
        return StandIns()
    folder = arguments.secrets or os.environ.get("TUNNELWRIGHT_SECRETS") or default_folder()
    return SecretStore(Path(folder), tell=tell)


def tell(text: str) -> None:
    """Say on standard error what was done besides."""
    say(f"note: {text}")


def connector(fabric: Fabric, lab: str | None, links: Links) -> Connect:
    """How each router of a fabric is reached: as its document says, or in a lab; what that takes is kept in
    `links`."""

    def connect(name: str) -> Router:
        access = fabric.routers[name].access
        if lab is None and isinstance(access, SshAccess):
            from reconciler.routers.ssh_router import SshRouter  # noqa: PLC0415  800 ms that labs need not pay

            return SshRouter(name, access, links)
        from reconciler.routers.docker_router import DockerRouter  # noqa: PLC0415

        return DockerRouter(fabric.routers[name], lab, links)

    return connect
