"""`tunnelwright ui`: the page without a service, for this machine alone."""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import NoReturn

from reconciler.cli import access
from reconciler.cli.given import without_given
from reconciler.cli.output import Output, say
from reconciler.cli.service_state import CLONE, HISTORY, service_settings
from reconciler.cli.workspace import load, load_fabric
from reconciler.history.store import History
from reconciler.load import Loaded
from reconciler.model.fabric import Fabric
from reconciler.page.access import Access
from reconciler.page.documents import CloneReader
from reconciler.page.reading import reading
from reconciler.page.router_source import RouterSource
from reconciler.report.json.results import page_object
from reconciler.report.line import Line

_LOOPBACK = "127.0.0.1"


def run(arguments: argparse.Namespace) -> NoReturn:
    """Serve the page until an interrupt, and observe the routers at an interval.

    Raises what `load_fabric` raises for a desired state that is not valid at the beginning.
    """
    from reconciler.page.server import PageServer  # noqa: PLC0415 - of an extra

    output = Output(arguments)
    load_fabric(arguments.tree, arguments.rev, output)
    history, clone = _of_service(arguments.config, output)

    def read() -> tuple[Loaded, Fabric]:
        return reading(load(arguments.tree, arguments.rev))

    # A key may have been pasted in the place of a folder, which messages name.
    given = [
        str(value) for value in (arguments.tree, arguments.secrets, arguments.config, arguments.lab) if value
    ]
    source = RouterSource(
        read,
        access.secret_store(arguments),
        lambda fabric: access.fleet_of(fabric, arguments),
        history,
        clone,
        shown=partial(without_given, words=given),
    )
    server = PageServer(source, Access(), _LOOPBACK, arguments.port)
    try:
        address = f"http://{_LOOPBACK}:{server.port}/"
        output.lines([Line(f"{address} shows the fleet; Ctrl-C ends it.", "bold")])
        output.objects([page_object(address)])
        said = ""
        while True:
            source.observe()
            if source.why_not and source.why_not != said:
                say(f"warning: the routers were not observed: {source.why_not}")
            said = source.why_not
            time.sleep(arguments.interval)
    finally:
        server.close()


def _of_service(config: Path | None, output: Output) -> tuple[History | None, CloneReader | None]:
    """The history and the clone of the service with these settings."""
    if config is None:
        return None, None
    settings = service_settings(config, output).values
    state = Path(settings.state).expanduser()
    return History(state / HISTORY), CloneReader(state / CLONE, settings.folder)
