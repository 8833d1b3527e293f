"""`make demo`: everything from scratch on real routers, ending with a report of what was proven.

Everything happens in a lab of its own and in `.lab/demo/`: a Git repository with a copy of
`desired_state/`, generated keys, and the captures. Nothing outside of them is changed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ruamel.yaml import YAML

from lab.capture import Watch
from lab.charon import reported_sas
from lab.commands import progress_to
from lab.engine import find_engine, retire
from lab.proof import StreamResult, capture_whole, carried_through
from lab.repository import writable
from lab.session import Lab
from lab.topology import Flow, flows_of
from lab.traffic import Stream
from lab.verify import Report, cleartext_check, verify
from lab.wan import lost_in_flight
from reconciler.cli.main import main as tunnelwright
from reconciler.cli.output import Output, explain
from reconciler.cli.streams import program
from reconciler.cli.workspace import load
from reconciler.model.errors import ExitCode, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.model.listing import counted
from reconciler.model.outcome import Check
from reconciler.report.check_text import check_lines
from reconciler.report.line import Line
from reconciler.secrets import FOLDER
from reconciler.validate import validate

TREE = Path("desired_state")
WORK = Path(".lab/demo")
NAME = "demo"
# The change that the demo makes: one field of one connection, and so of both of its ends.
CHANGED = "site-a--site-b.yaml"
CHANGED_TUNNELS = frozenset({"a-to-b", "b-to-a"})
FIELD, VALUE = "integrity", "sha512"


class DemoFailed(TunnelwrightError):
    """A step of the demo did not end as it must; what it printed says why."""

    exit_code = ExitCode.INCOMPLETE


@dataclass(slots=True)
class Found:
    """What the demo has proven so far."""

    first: Report | None = None
    second: Report | None = None
    streams: dict[str, tuple[StreamResult, StreamResult]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def reports(self) -> Iterator[Check]:
        """Each run of the packet checks as one."""
        for title, report in (("before the change", self.first), ("after the change", self.second)):
            if report is not None:
                checks = [check for flow in report.flows for check in flow.checks]
                good = sum(check.passed for check in checks)
                flows = counted(len(report.flows), "flow")
                evidence = f"{good} of {counted(len(checks), 'packet check')} hold for {flows}"
                yield Check(title, report.passed, evidence)

    @property
    def passed(self) -> bool:
        """True when nothing is missing and nothing failed."""
        reports = (self.first, self.second)
        return (
            bool(self.checks)
            and all(r is not None and r.passed for r in reports)
            and all(check.passed for check in self.checks)
        )


class Demo:
    """One run. Steps print the commands that a user would type, and run just those."""

    def __init__(self, output: Output, *, keep: bool) -> None:
        self._output = output
        self._keep = keep
        self._progress = progress_to(sys.stderr, colour=output.colour)
        self._repo = WORK / "repository"
        self._tree = self._repo / TREE.name
        self._found = Found()

    def run(self) -> int:
        """Everything, cleaned up afterwards whatever happens."""
        began = time.monotonic()
        self._heading("A Git repository with the desired state, and keys outside of it")
        fabric = self._prepare()
        self._heading("A lab of real strongSwan routers")
        engine = find_engine(self._progress)
        os.environ["DOCKER_HOST"] = engine.url
        try:
            Lab.down(NAME, engine=engine)
            lab = Lab.up(fabric, NAME, engine=engine, progress=self._progress)
            self._topology(lab, fabric)
            passed = self._story(lab, fabric)
            self._report(lab, began)
        finally:
            if not self._keep:
                Lab.down(NAME, engine=engine)
                if retire(engine):
                    self._progress("stopped the private container engine")
        if self._keep:
            self._say(
                f"The lab is up: tunnelwright status {self._tree} --lab {NAME} --secrets {WORK}/secrets"
            )
        return ExitCode.OK if passed else ExitCode.INCOMPLETE

    def _prepare(self) -> Fabric:
        with suppress(FileNotFoundError):
            shutil.rmtree(WORK)
        shutil.copytree(TREE, self._tree)
        self._git = writable(self._repo)
        with self._git.config_writer() as config:
            config.set_value("user", "name", "tunnelwright demo")
            config.set_value("user", "email", "demo@localhost")
            config.set_value("commit", "gpgsign", "false")
        self._commit("Desired state of three sites")
        loaded = load(self._tree, "HEAD")
        fabric, found = validate(loaded)
        if found.errors:
            raise DemoFailed(f"{TREE} is not valid", hint=f"tunnelwright validate {TREE}")
        folder = WORK / "secrets" / FOLDER
        folder.parent.mkdir(mode=0o700)
        folder.mkdir()
        for name in sorted({tunnel.psk.name for tunnel in fabric.tunnels.values()}):
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32))
            self._say(f"generated {path} (mode 0600)")
        return fabric

    def _story(self, lab: Lab, fabric: Fabric) -> bool:
        watch = Watch(lab).start()
        try:
            self._heading("Plan against the bare routers")
            self._tunnelwright("plan", *self._where("HEAD"))
            self._heading("Apply, and plan again")
            self._tunnelwright("apply", *self._where("HEAD"), "--auto-approve")
            self._tunnelwright("plan", *self._where("HEAD"), "--detailed-exitcode")
            self._heading("Prove it with ESP packets")
            self._found.first = self._prove(lab, fabric)
            self._heading(f"Change one field in Git: {FIELD} of a-to-b")
            changed = self._change()
            self._tunnelwright("plan", *self._where("HEAD"))
            self._heading("Apply the change while 100 packets a second flow each way through both tunnels")
            self._apply_under_load(lab, fabric, watch)
            self._tunnelwright("plan", *self._where("HEAD"), "--detailed-exitcode")
            self._heading("Prove the changed tunnels")
            self._found.second = self._prove(lab, changed, negative=False)
        finally:
            watch.stop()
            self._captures = watch.keep(WORK / "captures")
        tokens = [*self._found.first.tokens, *self._stream_tokens, *self._found.second.tokens]
        for network in watch.wan:
            self._found.checks.append(cleartext_check(lab, fabric, watch, network, tokens))
        self._found.checks.append(capture_whole(watch.dropped, len(watch.captures)))
        watch.discard()
        return self._found.passed

    def _prove(self, lab: Lab, fabric: Fabric, *, negative: bool = True) -> Report:
        report = verify(lab, fabric, negative=negative, progress=self._progress)
        for flow in report.flows:
            self._say(flow.label, "bold")
            self._output.lines(check_lines(flow.checks))
        return report

    def _change(self) -> Fabric:
        editor = YAML()
        editor.preserve_quotes = True
        editor.indent(mapping=2, sequence=4, offset=2)
        path = self._tree / CHANGED
        document = editor.load(path)
        document["spec"].setdefault("ipsec", {})[FIELD] = VALUE
        editor.dump(document, path)
        self._commit(f"a-to-b: ESP {FIELD} {VALUE}")
        self._say(
            self._git.git.show("--no-ext-diff", "--no-textconv", "--unified=1", "--format=%h %s", "HEAD")
        )
        return validate(load(self._tree, "HEAD"))[0]

    def _apply_under_load(self, lab: Lab, fabric: Fabric, watch: Watch) -> None:
        flows = _one_flow_each(flows_of(fabric, lab.topology))
        before = {name: _spis(lab, flow) for name, flow in flows.items()}
        streams = {name: Stream(lab, flow) for name, flow in flows.items()}
        self._stream_tokens = [token for stream in streams.values() for token in stream.tokens]
        for stream in streams.values():
            stream.start()
            stream.wait_arriving()
            stream.reset()
        self._tunnelwright("apply", *self._where("HEAD"), "--auto-approve")
        for name, stream in streams.items():
            self._found.streams[name] = stream.stop()
        after = {name: _spis(lab, flow) for name, flow in flows.items()}
        wan = [packet for capture in watch.wan.values() for packet in capture.packets()]
        for name, flow in flows.items():
            changed = bool({flow.left.name, flow.right.name} & CHANGED_TUNNELS)
            kept = before[name] == after[name]
            text = f"SPIs {_words(before[name])} before, {_words(after[name])} after"
            claim = "changed tunnel has new SAs" if changed else "unrelated tunnel kept its SPIs"
            self._found.checks.append(
                Check(f"{name}: {claim}", kept is not changed and bool(after[name]), text)
            )
            for result in self._found.streams[name]:
                flying = lost_in_flight(lab, flow, wan, [result])
                check = carried_through(result, flying)
                self._found.checks.append(replace(check, name=f"{name}: {check.name}"))

    def _report(self, lab: Lab, began: float) -> None:
        self._heading("What was proven")
        found = self._found
        self._output.lines(check_lines([*found.reports(), *found.checks]))
        self._say(f"Captures of the WAN and of the hosts: {self._captures[0].parent}/")
        verdict = "Proven" if found.passed else "NOT proven"
        seconds = time.monotonic() - began
        style = "bold green" if found.passed else "bold red"
        routers = counted(len(lab.routers), "real router")
        self._say(
            f"{verdict} on {routers} ({lab.data_plane} data plane) in {seconds:.0f} s.",
            style,
        )

    def _topology(self, lab: Lab, fabric: Fabric) -> None:
        for flow in flows_of(fabric, lab.topology):
            self._say(
                f"  host {flow.left_address} -- {flow.left.router} -- ({flow.left.vip.address} == ESP == "
                f"{flow.right.vip.address}) -- {flow.right.router} -- host {flow.right_address}"
            )

    def _where(self, rev: str) -> Sequence[str]:
        return str(self._tree), "--rev", rev, "--lab", NAME, "--secrets", str(WORK / "secrets")

    def _tunnelwright(self, *words: str) -> None:
        self._say(f"$ tunnelwright {' '.join(words)}", "bold cyan")
        code = tunnelwright(words)
        if code != ExitCode.OK:
            raise DemoFailed(f"tunnelwright {words[0]} ended with {code}")

    def _commit(self, message: str) -> None:
        self._git.git.add("--all")
        self._git.index.commit(message)
        self._say(f"commit {self._git.head.commit.hexsha[:12]}: {message}")

    def _heading(self, text: str) -> None:
        self._output.lines([Line(), Line(f"== {text}", "bold magenta")])

    def _say(self, text: str, style: str = "") -> None:
        self._output.lines(Line(line, style) for line in text.splitlines())


def _one_flow_each(flows: Sequence[Flow]) -> dict[str, Flow]:
    """The first flow of each tunnel, by the tunnel's name."""
    found: dict[str, Flow] = {}
    for flow in flows:
        found.setdefault(flow.left.name, flow)
    return found


def _spis(lab: Lab, flow: Flow) -> frozenset[tuple[int, int]]:
    socket = lab.vici_socket(flow.left.router)
    ends = flow.left.vip.address, flow.right.vip.address
    return frozenset((sa.spi_in, sa.spi_out) for sa in reported_sas(socket, *ends))


def _words(spis: frozenset[tuple[int, int]]) -> str:
    return ", ".join(f"{spi_in:08x}/{spi_out:08x}" for spi_in, spi_out in sorted(spis)) or "none"


def main() -> int:
    """Run the demo; the result is an exit code."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab up afterwards")
    parser.add_argument("--no-color", action="store_true", help="no colour")
    arguments = parser.parse_args()
    arguments.json = False
    try:
        return Demo(Output(arguments), keep=arguments.keep).run()
    except TunnelwrightError as error:
        explain(error)
        return error.exit_code


if __name__ == "__main__":
    program(main)
