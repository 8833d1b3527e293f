"""The page without a service."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.load import Loaded, load_tree
from reconciler.model.condition import State
from reconciler.model.errors import ExitCode, SourceUnavailable, TunnelwrightError
from reconciler.model.fabric import Fabric
from reconciler.page.access import Access
from reconciler.page.reading import reading
from reconciler.page.router_source import RouterSource
from reconciler.page.server import PageServer
from tests.unit.outputs.parsing import check_html
from tests.unit.page.crawl import ask, crawled
from tests.unit.page.sites import PAIRS, eight_sites
from tests.unit.service.followed import KEY, Followed

ROOT = Path(__file__).parents[3]


@contextmanager
def observed(site: Followed) -> Iterator[tuple[RouterSource, str]]:
    """The routers of a site as `ui` shows them, and the address of the page."""

    def read() -> tuple[Loaded, Fabric]:
        return reading(load_tree(site.tree))

    source = RouterSource(read, site.store(), lambda _: site.fleet)
    server = PageServer(source, Access(), "127.0.0.1", 0)
    try:
        yield source, f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


def test_it_shows_what_routers_show(tmp_path: Path) -> None:
    site = eight_sites(tmp_path)
    with observed(site) as (source, address):
        assert "Not observed yet" in ask(address).text
        assert source.observe() is None
        assert f"0 of {len(PAIRS)} connections are up" in ask(address).text
        site.once()
        source.observe()
        assert f"{len(PAIRS)} of {len(PAIRS)} connections are up" in ask(address).text
        site.unplugged["oslo"] = "no route to host"
        source.observe()
        shown = source.snapshot()
        assert shown is not None
        assert shown.by_name["berlin-oslo-oslo"].state is State.UNKNOWN
        found = crawled(address)
    assert "/runs" not in found
    assert "no route to host" in found["/routers/oslo"].text
    assert "FabricDefaults defaults" in found["/connections/berlin-lisbon-berlin/values"].text
    for path, answer in found.items():
        assert answer.status == (404 if path in {"/nothing", "/runs?all=1"} else 200), path
        assert KEY.encode() not in answer.body
        if "html" in answer.headers["content-type"]:
            check_html(answer.text)


def test_a_window_defers_what_interrupts_until_it_opens(tmp_path: Path) -> None:
    site = eight_sites(tmp_path)
    site.once()
    text = (site.tree / "berlin-oslo.yaml").read_text()
    wanted = "metadata: {name: berlin-oslo, annotations: {tunnelwright/reconnect: now}}"
    (site.tree / "berlin-oslo.yaml").write_text(text.replace("metadata: {name: berlin-oslo}", wanted))
    wan = site.tree / "wan.yaml"
    # It opens on the 29th of February.
    wan.write_text(wan.read_text().replace("0 2 * * *", "0 2 29 2 *"))
    with observed(site) as (source, address):
        source.observe()
        text = ask(address, "/limits").text
    assert "until <time" in text
    assert "berlin/tunnel/berlin-oslo-berlin" in text


def test_a_desired_state_that_breaks_leaves_the_one_before(tmp_path: Path) -> None:
    site = eight_sites(tmp_path)
    site.once()
    with observed(site) as (source, address):
        source.observe()
        (site.tree / "oslo.yaml").write_text("kind: Nothing\n")
        assert source.observe() is None
        text = ask(address).text
        assert f"{len(PAIRS)} of {len(PAIRS)} connections are up" in text
        assert "the desired state as it was read last: it has" in text
        (site.tree / "oslo.yaml").unlink()
        assert source.observe() is None


def test_a_desired_state_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    site = eight_sites(tmp_path)

    def read() -> tuple[Loaded, Fabric]:
        raise SourceUnavailable("it is gone")

    source = RouterSource(read, site.store(), lambda _: site.fleet)
    found = source.observe()
    assert isinstance(found, TunnelwrightError)
    assert found.message == source.why_not == "it is gone"


def test_a_key_in_the_place_of_a_folder_is_not_on_the_page(tmp_path: Path) -> None:
    """Neither before the routers were observed, nor in what is said beside an older desired state."""
    site = eight_sites(tmp_path)
    site.once()
    works = False

    def read() -> tuple[Loaded, Fabric]:
        if works:
            return reading(load_tree(site.tree))
        raise SourceUnavailable(f"no folder {KEY}", hint=f"make {KEY}")

    source = RouterSource(
        read, site.store(), lambda _: site.fleet, shown=lambda text: text.replace(KEY, "(left out)")
    )
    server = PageServer(source, Access(), "127.0.0.1", 0)
    try:
        for works in (False, True, False):  # noqa: B007 - read by `read`
            source.observe()
            for path, answer in crawled(f"http://127.0.0.1:{server.port}").items():
                assert KEY.encode() not in answer.body, path
        assert "no folder (left out)" in ask(f"http://127.0.0.1:{server.port}").text
    finally:
        server.close()


def test_the_command_serves_until_an_interrupt(tmp_path: Path) -> None:
    """Of routers that do not answer it says so."""
    shutil.copytree(ROOT / "tests" / "sites", tmp_path / "tree")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "reconciler", "ui", "tree", "--port", "0", "--json"]
    command += ["--lab", "no-such-lab", "--stand-in-keys"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        objects = (json.loads(line) for line in child.stdout)
        address = next(item["address"] for item in objects if item["type"] == "page")
        end = time.monotonic() + 60
        while "2 unknown" not in (text := ask(address.rstrip("/")).text):
            assert time.monotonic() < end, text
            time.sleep(0.05)
        assert "is unreachable" in text
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == ExitCode.INTERRUPTED
    assert errors == "interrupted\n"
