"""`tunnelwright show RUN`: one run of the reconciler in full."""

from __future__ import annotations

import argparse

from reconciler.cli.output import Output
from reconciler.cli.service_state import open_history
from reconciler.model.errors import ExitCode
from reconciler.report.json.events import encode
from reconciler.report.json.run import run_object
from reconciler.report.run_text import run_lines


def run(arguments: argparse.Namespace) -> int:
    """Print what the run found and did."""
    output = Output(arguments)
    record = open_history(arguments.config, output).run(arguments.number)
    output.lines(run_lines(record))
    output.objects([run_object(record), *map(encode, record.events)])
    return ExitCode.OK
