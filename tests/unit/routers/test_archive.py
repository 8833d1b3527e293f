"""An archive that a router made is plain, small, and has files of the names that were asked for."""

from __future__ import annotations

import io
import lzma
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import bounds
from reconciler.model.secret import Secret
from reconciler.routers import answers
from reconciler.routers.archive import BadArchive, pack, unpack

LONG = f"tw-{'x' * 180}.conf"


def made(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def member(name: str = "tw-a.conf", kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.size, found.linkname = kind, size, "/etc/shadow" if kind in b"12" else ""
    return found


def by_tar(folder: Path, *options: str) -> bytes:
    command = ["tar", "--create", *options, "--file=-", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


def test_what_tar_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "tw-a.conf").write_bytes(bytes(range(256)) * 4)
    (tmp_path / LONG).write_bytes(b"")
    command = ["tar", "--create", "--format=gnu", "--file=-", "./tw-a.conf", f"./{LONG}"]
    archive = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    found = answers.files(memoryview(archive))
    assert {name: file.content.reveal() for name, file in found.items()} == {
        "tw-a.conf": bytes(range(256)) * 4,
        LONG: b"",
    }
    assert {file.mode for file in found.values()} == {(tmp_path / LONG).stat().st_mode & 0o7777}


def test_what_is_packed_is_unpacked() -> None:
    files = {"tw-a.conf": Secret(b"a"), "tw-é.conf": Secret(bytes(1024)), LONG: Secret(b"")}
    found = unpack(memoryview(pack(files)))
    assert {name: (file.content, file.mode) for name, file in found.items()} == {
        name: (content, 0o600) for name, content in files.items()
    }


def test_a_sparse_file_is_refused_before_its_holes_are_filled(tmp_path: Path) -> None:
    with (tmp_path / "tw-a.conf").open("wb") as file:
        file.truncate(6 * 2**30)
    for form in ("gnu", "posix"):
        archive = by_tar(tmp_path, "--sparse", f"--format={form}")
        assert len(archive) <= 20_480
        tracemalloc.start()
        with pytest.raises(BadArchive, match="is not a regular file"):
            unpack(memoryview(archive))
        assert tracemalloc.get_traced_memory()[1] < bounds.MIB
        tracemalloc.stop()


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "a link": (lambda: made((member(kind=tarfile.SYMTYPE), b"")), "is not a regular file"),
    "a hard link": (lambda: made((member(kind=tarfile.LNKTYPE), b"")), "is not a regular file"),
    "a folder": (lambda: made((member(kind=tarfile.DIRTYPE), b"")), "is not a regular file"),
    "a device": (lambda: made((member(kind=tarfile.CHRTYPE), b"")), "is not a regular file"),
    "an extension": (
        lambda: made((member("tw-\N{SNOWMAN}" * 20 + ".conf"), b""), form=tarfile.PAX_FORMAT),
        "is not a regular file",
    ),
    "twice": (lambda: made((member(), b""), (member(), b"")), "occurs twice"),
    "a large file": (
        lambda: made((member(size=bounds.ROUTER_FILE_BYTES + 1), bytes(bounds.ROUTER_FILE_BYTES + 1))),
        "more than 1024 KiB",
    ),
    "compressed": (lambda: lzma.compress(made((member(), b""))), "no header"),
    "truncated": (lambda: made((member(size=2000), bytes(2000)))[:1024], "truncated"),
    "without an end": (lambda: made((member(), b""))[:512], "no header"),
    "empty": (lambda: b"", "no header"),
    "an error message": (lambda: b"tar: not found\n" * 100, "no header"),
}


@pytest.mark.parametrize("kind", BAD)
def test_another_archive_is_refused(kind: str) -> None:
    make, words = BAD[kind]
    with pytest.raises(BadArchive, match=words):
        unpack(memoryview(make()))


def test_a_size_that_goes_backwards_is_refused() -> None:
    header = bytearray(made((member(), b"")))
    header[124:136] = (2**96 - 1024).to_bytes(12, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    with pytest.raises(BadArchive, match="truncated"):
        unpack(memoryview(bytes(header)))


def test_so_many_files_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ROUTER_FILES", 3)
    files = [(member(f"tw-{number}.conf"), b"") for number in range(4)]
    assert len(unpack(memoryview(made(*files[:3])))) == 3
    with pytest.raises(BadArchive, match="more than 3 files"):
        unpack(memoryview(made(*files)))


@pytest.mark.parametrize(
    "name", ["../tw-a.conf", "/etc/tw-a.conf", "a.conf", "tw-a\n.conf", "tw-\x1b[2J.conf", "sub/tw-a.conf"]
)
def test_a_name_that_was_not_asked_for_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a requested file name"):
        answers.files(memoryview(made((member(name), b""))))


@given(st.binary(max_size=3000))
def test_any_bytes_are_an_archive_or_a_bad_one(found: bytes) -> None:
    try:
        unpack(memoryview(found))
    except BadArchive:
        return


@given(st.lists(st.tuples(st.integers(0, 1535), st.integers(0, 255)), max_size=8))
def test_any_change_of_an_archive_leaves_an_archive_or_a_bad_one(changes: list[tuple[int, int]]) -> None:
    archive = bytearray(made((member(size=3), b"abc")))
    for at, byte in changes:
        archive[at] = byte
    try:
        unpack(memoryview(bytes(archive)))
    except BadArchive:
        return
