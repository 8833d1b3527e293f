"""The readers of what comes from outside: for each, good inputs, and what reads any bytes."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli import saved_plan
from reconciler.facets.swanctl_conf import Section, SwanctlSyntaxError, inherit
from reconciler.facets.swanctl_conf import read as read_swanctl
from reconciler.importing import draft, from_root, render
from reconciler.importing.sources import keys_of
from reconciler.load import Loaded, Source
from reconciler.load.reading import LOCK_NAME, read
from reconciler.model.diagnostic import Diagnostic, Diagnostics
from reconciler.model.errors import TunnelwrightError
from reconciler.model.secret import Secret
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json_lines import diagnostic_object, dump
from reconciler.report.scanning import junit, sarif
from reconciler.service.settings import read_settings
from reconciler.service.web import Application
from reconciler.validate import validate
from tests.unit.importing.test_import import HAND_MADE

ROOT = Path(__file__).parents[2]
BASE = ROOT / "tests" / "errors" / "base"
SOURCE = Source("/tree", "")


class Refused(Exception):
    """A good input was refused."""


@dataclass(frozen=True, slots=True)
class Reader:
    """`read` takes any bytes, and raises for what is foreign alone; `good` raises unless it accepts them."""

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], None]
    good: Callable[[bytes], None]
    cost: int = 1
    """How many times longer one input takes than with the others."""


def allowing(work: Callable[[bytes], None], *errors: type[Exception]) -> Callable[[bytes], None]:
    """The same work, where errors of these kinds are an answer."""

    def read_any(content: bytes) -> None:
        with suppress(TunnelwrightError, *errors):
            work(content)

    return read_any


def _report(found: Iterable[Diagnostic]) -> None:
    """Every report of findings, parsed again where it has a grammar."""
    items = tuple(found)
    for line in diagnostic_lines(items):
        assert "\n" not in line.text.strip("\n") or line.text
    for text in dump(map(diagnostic_object, items)):
        json.loads(text)
    json.loads(sarif(items, "0"))
    junit(items, [])


def _tree(name: str, content: bytes) -> Loaded:
    files = {path.name: path.read_bytes() for path in BASE.glob("*.yaml")}
    return read({**files, name: content}, SOURCE, Diagnostics())


def _documents(name: str) -> Callable[[bytes], None]:
    def check(content: bytes) -> None:
        _, found = validate(_tree(name, content))
        _report(found)

    return check


def _valid(name: str) -> Callable[[bytes], None]:
    def check(content: bytes) -> None:
        _, found = validate(_tree(name, content))
        if found.errors:
            raise Refused(found.errors)

    return check


def _swanctl(content: bytes) -> None:
    fabric, _ = validate(_tree("wan.yaml", (BASE / "wan.yaml").read_bytes()))
    root, _ = inherit(read_swanctl("swanctl.conf", content, lambda _: ()))
    found = Diagnostics()
    keys = keys_of(root, found)
    for item in from_root(root):
        drafted = draft(item, keys, (), found)
        if drafted is not None:
            render(drafted, "imported", next(iter(fabric.routers.values())), fabric, found)
    _report(found)


def _parsed(content: bytes) -> None:
    root: Section = read_swanctl("swanctl.conf", content, lambda _: ())
    if "connections" not in root.sections:
        raise Refused


def _file(work: Callable[[Path], object]) -> Callable[[bytes], None]:
    def check(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "input"
            path.write_bytes(content)
            work(path)

    return check


def _settings(path: Path) -> None:
    found = Diagnostics()
    read_settings(path, {}, found)
    _report(found)


def _good_settings(path: Path) -> None:
    if read_settings(path, {}, Diagnostics()) is None:
        raise Refused


def _webhook(content: bytes) -> None:
    head, _, body = content.partition(b"\n\n")
    method, _, headers = head.decode("latin-1").partition("\n")
    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/webhook", "wsgi.input": io.BytesIO(body)}
    environ |= dict(line.split("=", 1) for line in headers.splitlines() if "=" in line)
    answers: list[str] = []
    application = Application(lambda: None, Secret(b"a secret of webhooks"))
    b"".join(application(environ, lambda status, _: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0][:3] in {"202", "400", "403", "405", "411", "413"}


_PLAN = json.dumps(
    {
        "format": saved_plan.FORMAT,
        "tree": "/tree",
        "rev": None,
        "desired": "0",
        "digest": "0",
        "lab": None,
        "target": [],
        "exclude": [],
        "plan": [],
    }
).encode()
_HOOK = b"POST\nHTTP_X_HUB_SIGNATURE_256=sha256=00\nHTTP_X_GITLAB_TOKEN=a secret of webhooks\n\n{}"
_EXAMPLES = tuple(sorted((ROOT / "docs/reference/examples").glob("*.yaml")))
_TUNNEL = (BASE / "a-to-b.yaml").read_bytes()

READERS = (
    Reader(
        "document",
        (_TUNNEL, *(path.read_bytes() for path in _EXAMPLES if path.name != LOCK_NAME)),
        allowing(_documents("a-to-b.yaml")),
        lambda _: _valid("a-to-b.yaml")(_TUNNEL),
        cost=2,
    ),
    Reader("lock-file", (b"a-to-b: 203.0.113.10\n",), allowing(_documents(LOCK_NAME)), lambda _: None),
    Reader("swanctl-conf", (HAND_MADE.encode(),), allowing(_swanctl, SwanctlSyntaxError), _parsed),
    Reader("saved-plan", (_PLAN,), allowing(_file(saved_plan.read)), _file(saved_plan.read)),
    Reader(
        "settings",
        ((ROOT / "docs/reference/reconcile.yaml").read_bytes(),),
        allowing(_file(_settings)),
        _file(_good_settings),
    ),
    Reader("webhook", (_HOOK,), _webhook, _webhook),
)
