"""The readers of what comes from outside: for each, good inputs, and what reads any bytes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli import saved_plan
from reconciler.facets.files.swanctl_conf import Section, SwanctlSyntaxError
from reconciler.facets.files.swanctl_conf import read as read_swanctl
from reconciler.facets.firewall import nft_listing
from reconciler.importing import draft, from_root, render
from reconciler.importing.foreign_formats import foreign_format
from reconciler.importing.leftovers import report_leftovers, report_unused_keys
from reconciler.importing.separation import collect
from reconciler.importing.sources import keys_of
from reconciler.importing.vips import vip_of
from reconciler.load import Loaded, Source, load_revision, load_tree
from reconciler.load.reading import LOCK_NAME, read
from reconciler.model.diagnostic import Diagnostic, Diagnostics
from reconciler.model.errors import TunnelwrightError
from reconciler.model.secret import Secret
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.report.json.lines import dump
from reconciler.report.junit import junit
from reconciler.report.sarif import sarif
from reconciler.routers.archive import BadArchive, pack, unpack
from reconciler.routers.vici_message import Malformed, decode
from reconciler.service.settings import read_settings
from reconciler.service.web import Application
from reconciler.validate import validate
from tests.unit.importing.hand_made import HAND_MADE
from tests.unit.routers.test_shell_host import ASKED, KEYS, host, snapshot

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
    router = next(iter(fabric.routers.values()))
    foreign_format(Secret(content))
    whole = collect("swanctl.conf", lambda name: {name: Secret(content)} if name == "swanctl.conf" else {})
    found = Diagnostics()
    report_leftovers(whole, found)
    keys, sources = keys_of(whole.root, found), [*from_root(whole.root)]
    report_unused_keys(sources, keys, found)
    for item in sources:
        drafted = draft(item, keys, (), found)
        if drafted is not None:
            render(drafted, "imported", router, vip_of(drafted, router, fabric, {}), found)
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


def _vici(content: bytes) -> None:
    decode(content)


def _host(content: bytes) -> None:
    """Each command of a router that answers with these bytes."""
    router = host(content)
    for ask in ASKED:
        with suppress(TunnelwrightError):
            ask(router)


def _snapshot(content: bytes) -> None:
    if content == snapshot():
        host(content).snapshot(KEYS)


def _nft(content: bytes) -> None:
    nft_listing.decode(content.decode(errors="replace"))


def _archive(content: bytes) -> None:
    unpack(memoryview(content))


def _as_tree(folder: Path) -> bytes:
    """A folder's files as bytes: name, line end, content, a zero."""
    return b"".join(path.name.encode() + b"\n" + path.read_bytes() + b"\0" for path in folder.glob("*.yaml"))


def _git_tree(content: bytes) -> None:
    """Files of these names and contents: as a working tree, and as a commit of them."""
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place) / "tree"
        tree.mkdir()
        for part in content.split(b"\0")[:60]:
            name, _, text = part.partition(b"\n")
            path = Path(os.path.normpath(tree / os.fsdecode(name[:200].lstrip(b"/"))))
            # What a checkout could not hold is no tree.
            with suppress(OSError, ValueError):
                if path.is_relative_to(tree):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(text)
        _report(validate(load_tree(Path(place), "tree"))[1])
        for words in (["init"], ["add", "--all", "--force", "tree"], ["commit", "--allow-empty", "-m", "x"]):
            # What Git does not take, such as a broken repository inside, makes no commit.
            command = ["git", "-c", "user.name=x", "-c", "user.email=x", "-C", place, *words]
            subprocess.run(command, capture_output=True, check=False, env={"PATH": os.environ["PATH"]})
        with suppress(TunnelwrightError):
            _report(validate(load_revision(Path(place), "HEAD", "tree"))[1])


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
_VICI = b"\x03\x01a\x00\x01b" + b"\x01\x01s\x04\x01l\x05\x00\x02xy\x06\x02"
_NFT = json.dumps(
    {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "inet", "name": "tunnelwright", "handle": 1}},
            {
                "set": {
                    "family": "inet",
                    "name": "guarded",
                    "table": "tunnelwright",
                    "type": ["ipv4_addr", "ipv4_addr"],
                    "handle": 2,
                    "flags": ["interval"],
                    "elem": [
                        {"concat": [{"prefix": {"addr": "10.1.0.0", "len": 24}}, "10.2.0.1"]},
                        {"concat": [{"range": ["10.9.0.1", "10.9.0.5"]}, "10.1.9.0"]},
                        {"elem": {"val": {"concat": ["10.3.0.1", "10.2.0.1"]}, "comment": "x"}},
                    ],
                }
            },
        ]
    }
).encode()
_OUTPUTS = (
    b"x 99999999\n",
    b"5 packets transmitted, 5 received, 0% packet loss, time 4005ms\n",
    b"64 bytes from 10.2.0.1: icmp_seq=1 ttl=63 time=0.5 ms\n1 packets transmitted, 1 received\n",
    b"4711 /run/tunnelwright-stream-abc 0.02\n",
)
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
    Reader("vici-message", (_VICI,), allowing(_vici, Malformed), _vici),
    Reader("router-output", (snapshot(), *_OUTPUTS), _host, _snapshot),
    Reader("nft-listing", (_NFT,), allowing(_nft), _nft),
    Reader("archive", (pack({"tw-a.conf": Secret(b"a {}")}),), allowing(_archive, BadArchive), _archive),
    Reader("git-tree", (_as_tree(BASE),), allowing(_git_tree), _git_tree, cost=30),
)
