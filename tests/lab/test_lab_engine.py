"""Finding an engine, and the private one's whole life."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import engine as lab_engine
from lab.engine import Engine, EngineUnavailable, answers, find_engine, retire, start_private, stop

pytestmark = pytest.mark.engine


@pytest.fixture
def private_places(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not tmp_path: a unix socket's path must stay short.
    folder = Path(tempfile.mkdtemp(prefix="tw"))
    monkeypatch.setattr(lab_engine, "PRIVATE_DATA", folder / "data")
    monkeypatch.setattr(lab_engine, "PRIVATE_RUN", folder / "run")
    yield folder
    stop()
    shutil.rmtree(folder)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("dockerd"),
    reason="a private engine needs root and dockerd",
)
def test_the_private_engine_starts_once_and_stops(private_places: Path) -> None:
    assert not stop()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: start_private(), range(2))
    assert first == second and first.private
    assert answers(first.url)
    with first.connect() as client:
        assert client.version()["ApiVersion"]
    assert first.environment["DOCKER_HOST"] == f"unix://{private_places}/run/engine.sock"
    assert stop()
    assert not answers(first.url)
    assert not stop()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("dockerd"),
    reason="a private engine needs root and dockerd",
)
@pytest.mark.usefixtures("private_places")
def test_an_engine_that_others_use_goes_on() -> None:
    """The last lab of one user is gone; a container of another run is there, whatever it is called."""
    engine = start_private()
    with engine.connect() as client:
        client.import_image_from_data(bytes(10240), repository="nothing")
        client.create_container("nothing", command="none", name="of-another")
        assert not retire(engine)
        assert answers(engine.url)
        client.remove_container("of-another")
    assert retire(engine)
    assert not answers(engine.url)
    assert not retire(Engine("unix:///var/run/docker.sock")), "not ours"


def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(EngineUnavailable, match="not on this machine"):
        find_engine()


def test_a_silent_engine_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineUnavailable, match=r"none\.sock"):
        find_engine()
