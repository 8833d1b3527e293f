from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode, SecretUnavailable, TunnelwrightError, WeakKey
from reconciler.model.secret import Secret
from reconciler.secrets.age import RECIPIENTS, create_identity, decrypt, read_identities
from reconciler.secrets.key_files import KeyFiles, random_key
from tests.repositories import new_repository

KEY = Secret(b"correct horse battery staple")
NAME = "keys/a--b.age"


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    (tmp_path / "tree").mkdir()
    found = KeyFiles(tmp_path / "tree", tmp_path / "identity.txt")
    found.init()
    return found


def key_in(tmp_path: Path, name: str, identity: str = "identity.txt") -> Secret:
    return decrypt((tmp_path / "tree" / name).read_bytes(), read_identities(tmp_path / identity))


def test_init_makes_an_identity_once_and_adds_it_once(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    recipients = tmp_path / "tree" / RECIPIENTS
    recipients.write_text("# no line end")
    files = KeyFiles(tmp_path / "tree", tmp_path / "private" / "identity.txt")
    first = files.init()
    assert first.created
    assert recipients.read_text() == f"# no line end\n{first.recipients[0]}\n"
    assert files.init() == replace(first, created=False)
    assert recipients.read_text() == f"# no line end\n{first.recipients[0]}\n"


def test_init_names_the_keys_that_a_new_recipient_cannot_open(tmp_path: Path, files: KeyFiles) -> None:
    assert files.init().sealed_before == (), "those of its own recipients are not among them"
    files.set(NAME, KEY)
    assert files.init().sealed_before == ()
    second = KeyFiles(tmp_path / "tree", tmp_path / "second" / "identity.txt")
    assert second.init().sealed_before == (NAME,)
    with pytest.raises(SecretUnavailable):
        key_in(tmp_path, NAME, "second/identity.txt")
    files.rekey()
    assert key_in(tmp_path, NAME, "second/identity.txt") == KEY
    assert second.init().sealed_before == ()


def test_init_says_how_existing_keys_become_readable(
    tmp_path: Path, files: KeyFiles, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNNELWRIGHT_IDENTITY", raising=False)
    files.set(NAME, KEY)
    tree = tmp_path / "tree"
    words = ["secret", "init", "--tree", str(tree), "--secrets", str(tmp_path / "second")]
    assert main(words) == ExitCode.OK
    said = capsys.readouterr().out
    assert "this identity cannot decrypt 1 existing key yet: commit age.recipients" in said
    assert f"run `tunnelwright secret rekey --tree {tree}`" in said
    assert main(words) == ExitCode.OK
    assert "rekey" not in capsys.readouterr().out


def test_a_key_is_encrypted_to_every_recipient(tmp_path: Path, files: KeyFiles) -> None:
    other = create_identity(tmp_path / "other.txt")
    with (tmp_path / "tree" / RECIPIENTS).open("a") as file:
        file.write(f"{other}\n")
    assert files.set(NAME, KEY) == 2
    assert key_in(tmp_path, NAME) == key_in(tmp_path, NAME, "other.txt") == KEY
    assert [path.name for path in (tmp_path / "tree" / "keys").iterdir()] == ["a--b.age"]


@pytest.mark.parametrize(
    "name", ["../a.age", "/srv/a.age", "a.psk", "a/../b.age", ".hidden.age", "a b.age", "a.age\n"]
)
def test_a_name_is_one_that_a_document_can_refer_to(files: KeyFiles, name: str) -> None:
    with pytest.raises(SecretUnavailable, match="documents cannot refer to the path"):
        files.set(name, KEY)


def test_a_weak_key_is_not_written(tmp_path: Path, files: KeyFiles) -> None:
    with pytest.raises(WeakKey) as caught:
        files.set(NAME, Secret(b"hunter2hunter2"))
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "tree" / "keys").exists()


def test_rotate_makes_another_key(tmp_path: Path, files: KeyFiles) -> None:
    files.set(NAME, KEY)
    files.rotate(NAME)
    second = key_in(tmp_path, NAME)
    assert second != KEY
    assert len(second) == 44
    files.rotate(NAME)
    assert key_in(tmp_path, NAME) not in {KEY, second}
    with pytest.raises(SecretUnavailable, match="does not exist"):
        files.rotate("keys/absent.age")


def test_rekey_lets_a_new_recipient_in_and_an_old_one_out(tmp_path: Path, files: KeyFiles) -> None:
    files.set(NAME, KEY)
    files.set("c.age", KEY)
    other = create_identity(tmp_path / "other.txt")
    (tmp_path / "tree" / RECIPIENTS).write_text(f"{other}\n")
    assert files.rekey() == ["c.age", NAME]
    assert key_in(tmp_path, NAME, "other.txt") == KEY
    with pytest.raises(SecretUnavailable):
        key_in(tmp_path, NAME)


def test_rekey_writes_all_or_nothing(tmp_path: Path, files: KeyFiles) -> None:
    files.set(NAME, KEY)
    before = (tmp_path / "tree" / NAME).read_bytes()
    (tmp_path / "tree" / "z.age").write_text("no age file")
    with pytest.raises(SecretUnavailable, match=r"z\.age"):
        files.rekey()
    assert (tmp_path / "tree" / NAME).read_bytes() == before


def test_set_keeps_a_key_that_is_there_unless_it_is_to_be_replaced(tmp_path: Path, files: KeyFiles) -> None:
    files.set(NAME, KEY)
    before = (tmp_path / "tree" / NAME).read_bytes()
    with pytest.raises(SecretUnavailable, match="already exists") as caught:
        files.set(NAME, random_key())
    assert "secret rotate" in caught.value.hint
    assert "--replace" in caught.value.hint
    assert (tmp_path / "tree" / NAME).read_bytes() == before
    other = random_key()
    files.set(NAME, other, replace=True)
    assert key_in(tmp_path, NAME) == other


@pytest.mark.parametrize(
    ("place", "under_git"),
    # Outside of a repository nothing says whose the folder is that a link in the place of the tree leads to.
    [("tree", True), ("keys", True), ("keys", False), ("keys/deep", True), ("keys/deep", False)],
)
def test_nothing_is_written_behind_a_link(
    tmp_path: Path, files: KeyFiles, place: str, *, under_git: bool
) -> None:
    files.set(NAME, KEY)
    files.set("keys/deep/b.age", KEY)
    if under_git:
        new_repository(tmp_path)
    here = tmp_path / "tree" if place == "tree" else tmp_path / "tree" / place
    here.rename(elsewhere := tmp_path / "elsewhere")
    here.symlink_to(elsewhere)
    (tmp_path / "tree" / RECIPIENTS).write_text(f"{create_identity(tmp_path / 'other.txt')}\n")
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    for name in ("keys/deep/new.age", "keys/deep/b.age"):
        for work in (
            partial(files.set, name, KEY, replace=True),
            partial(files.check_new, name),
            partial(files.rotate, name),
        ):
            with pytest.raises(TunnelwrightError, match="symbolic link"):
                work()
    if place == "tree":
        with pytest.raises(TunnelwrightError, match="symbolic link"):
            files.init()
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before


KEYS = ("5f4dcc3b5aa765d61d8327deb882cf99", "9vT-uJ5yq0mW_8eXh1fKz3bL7cRkQwYpN2sD4aGiHlE", "Sup3rSecretKey!")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", ["{}", "{}.age", "keys/{}.age", "{}.psk", "../{}.age"])
def test_a_key_in_the_place_of_a_name_is_not_repeated(files: KeyFiles, form: str, key: str) -> None:
    name = form.format(key)
    for work in (partial(files.set, name, KEY), partial(files.check_new, name), partial(files.rotate, name)):
        with pytest.raises(SecretUnavailable) as caught:
            work()
        assert key not in f"{caught.value.message} {caught.value.hint}"
    assert not list(files.identity.parent.rglob(f"*{key}*"))


def test_a_file_that_is_there_is_rotated_whatever_its_name(tmp_path: Path, files: KeyFiles) -> None:
    files.set(NAME, KEY)
    named = f"keys/{KEYS[0]}.age"
    (tmp_path / "tree" / NAME).rename(tmp_path / "tree" / named)
    files.rotate(named)
    assert len(key_in(tmp_path, named)) == 44


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path, files: KeyFiles) -> None:
    """Its file may be on a disk that is not mounted."""
    (tmp_path / "tree" / "keys").mkdir()
    (tmp_path / "tree" / NAME).symlink_to("/nonexistent/a.age")
    with pytest.raises(SecretUnavailable, match="already exists"):
        files.set(NAME, KEY)
    assert (tmp_path / "tree" / NAME).is_symlink()


def test_recipients_behind_a_link_are_not_read(tmp_path: Path, files: KeyFiles) -> None:
    """What the link leads to may be a key, which would be committed with the recipients."""
    (recipients := tmp_path / "tree" / RECIPIENTS).unlink()
    (key := tmp_path / "a--b.psk").write_text("a key that no other user may read\n")
    recipients.symlink_to(key)
    for work in (files.init, partial(files.set, NAME, KEY), files.rekey):
        with pytest.raises(SecretUnavailable, match="symbolic link"):
            work()
    assert recipients.is_symlink()
