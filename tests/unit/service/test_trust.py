"""With signatures asked for, a branch goes forward by signed commits, unless an operator says otherwise."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.doors.identity import user_name
from reconciler.history.store import History
from reconciler.model.errors import ExitCode
from reconciler.model.record import Acceptance, Result, RunRecord
from reconciler.service import trust
from reconciler.service.signatures import Signers
from tests.signing import allowed, ssh_key
from tests.unit.service.followed import Followed, followed


class Signed:
    """A followed repository whose commits are signed, as long as `key` is the name of a key that may."""

    def __init__(self, folder: Path) -> None:
        self.site = followed(folder)
        self.folder = folder
        self.keys = {name: ssh_key(folder, name) for name in ("ours", "theirs")}
        self.signers = Signers(allowed(folder, ("", self.keys["ours"])))
        self.sign("ours")
        self.lifetime = 3000

    @property
    def history(self) -> History:
        return History(self.folder / "state" / "history.db")

    def sign(self, name: str) -> None:
        with self.site.repository.config_writer() as config:
            config.set_value("commit", "gpgsign", "true" if name else "false")
            config.set_value("gpg", "format", "ssh")
            config.set_value("user", "signingKey", str(self.keys.get(name, "")))

    def change(self, by: str = "ours") -> str:
        """A commit that changes both ends, signed by a key, or by none."""
        self.sign(by)
        old, self.lifetime = self.lifetime, self.lifetime + 100
        for name in ("paris-tunnel.yaml", "tokyo-tunnel.yaml"):
            text = (self.site.tree / name).read_text()
            before = f"lifetime: {old}" if "lifetime" in text else "pfs: dh-group14"
            (self.site.tree / name).write_text(text.replace(before, f"lifetime: {self.lifetime}", 1))
        return self.site.commit({})

    def rewind(self, commit: str) -> None:
        self.site.repository.git.reset("--hard", commit)

    def once(self) -> RunRecord:
        return self.site.once(signers=self.signers)


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    """Two good commits behind the head, which is good as well."""
    found = Signed(tmp_path)
    found.change()
    assert found.once().result is Result.CHANGED
    return found


def test_signed_commits_are_followed(signed: Signed) -> None:
    for _ in range(2):
        head = signed.change()
        record = signed.once()
        assert (record.in_force, record.result) == (head, Result.CHANGED), record.message
    assert signed.once().result is Result.IN_SYNC


def test_a_first_head_has_to_be_signed(tmp_path: Path) -> None:
    fresh = Signed(tmp_path)
    record = fresh.once()
    assert record.result is Result.FAILED
    assert "is not signed with an allowed key: it has no signature" in record.message
    assert not fresh.site.asked


def test_a_branch_that_was_rewound_to_a_signed_commit_is_refused(signed: Signed) -> None:
    old = signed.site.repository.head.commit.hexsha
    head = signed.change()
    signed.once()
    signed.rewind(old)
    record = signed.once()
    assert (record.head, record.in_force, record.result) == (old, head, Result.INCOMPLETE)
    assert f"the commit {old[:12]} does not descend from {head[:12]}, the last good one" in record.message
    assert f"tunnelwright history --accept {old[:12]}" in record.message
    assert signed.once().in_force == head, "and so it is the next time"


def test_a_branch_that_leaves_a_good_commit_out_is_refused(signed: Signed) -> None:
    old = signed.site.repository.head.commit.hexsha
    head = signed.change()
    signed.once()
    signed.rewind(old)
    signed.lifetime -= 100
    signed.change()
    assert signed.once().in_force == head


def test_every_commit_between_is_signed(signed: Signed) -> None:
    good = signed.site.repository.head.commit.hexsha
    unsigned = signed.change(by="")
    signed.change()
    record = signed.once()
    assert record.in_force == good
    assert f"{unsigned[:12]} is not signed with an allowed key" in record.message


@pytest.mark.parametrize("by", ["", "theirs"])
def test_commits_of_a_merged_branch_are_signed_too(signed: Signed, by: str) -> None:
    good = signed.site.repository.head.commit.hexsha
    repository = signed.site.repository
    repository.git.checkout("-b", "side")
    signed.change(by=by)
    repository.git.checkout("main")
    signed.sign("ours")
    repository.git.merge("--no-ff", "--message", "merge", "side")
    assert signed.once().in_force == good
    repository.git.reset("--hard", good)
    repository.git.checkout("-B", "side", good)
    signed.lifetime -= 100
    signed.change()
    repository.git.checkout("main")
    repository.git.merge("--no-ff", "--message", "merge", "side")
    assert signed.once().in_force == repository.head.commit.hexsha


def test_more_new_commits_than_are_looked_at_are_refused(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "SIGNED_COMMITS", 2)
    good = signed.site.repository.head.commit.hexsha
    signed.change()
    signed.change()
    head = signed.change()
    record = signed.once()
    assert record.in_force == good
    assert f"the commit {head[:12]} has more than 2 new commits" in record.message


def test_a_key_that_expires_later_takes_nothing_back(signed: Signed) -> None:
    head = signed.change()
    signed.once()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    allowed(signed.folder, (f'valid-before="{yesterday:%Y%m%d}"', signed.keys["ours"]))
    assert (signed.once().in_force, signed.once().result) == (head, Result.IN_SYNC)
    signed.change()
    record = signed.once()
    assert record.in_force == head, "what comes after it has expired does not count"
    assert record.result is Result.INCOMPLETE


def test_signatures_that_are_asked_for_later_count_from_then_on(tmp_path: Path) -> None:
    site = Signed(tmp_path)
    site.change(by="")
    assert site.site.once().result is Result.CHANGED
    assert site.once().result is Result.FAILED
    head = site.change()
    assert site.once().in_force == head


@pytest.mark.parametrize("newer", [False, True], ids=["at-the-head", "behind-an-unsigned-head"])
@pytest.mark.parametrize("way", ["accept", "follow"])
def test_where_the_last_good_commit_is_unsigned_the_message_says_what_to_do(
    tmp_path: Path, way: str, newer: bool
) -> None:
    """Signatures are switched on over a repository that was followed without them."""
    site = Signed(tmp_path)
    good = site.change(by="")
    assert site.site.once().in_force == good
    unsigned = site.change(by="") if newer else good
    asked = len(site.site.asked)
    record = site.once()
    assert record.result is Result.FAILED, "nothing is known that may be in force"
    assert len(site.site.asked) == asked, "no router is asked"
    assert "push a signed commit on top" in record.message
    assert f"tunnelwright history --accept {good[:12]}" in record.message
    if way == "accept":
        assert accept(site, good[:12]) == ExitCode.OK
        record = site.once()
        assert (record.in_force, record.result) == (good, Result.INCOMPLETE if newer else Result.IN_SYNC)
        assert newer == (f"{unsigned[:12]} is not signed with an allowed key" in record.message)
    head = site.change()
    record = site.once()
    if newer:
        # The unsigned one lies between.
        assert record.in_force != head
        assert f"{unsigned[:12]} is not signed with an allowed key" in record.message
    else:
        assert (record.in_force, record.result) == (head, Result.CHANGED)


def test_without_signatures_a_rewritten_branch_is_followed(signed: Signed) -> None:
    old = signed.site.repository.head.commit.hexsha
    signed.change()
    signed.site.once()
    signed.rewind(old)
    assert signed.site.once().in_force == old


def accept(signed: Signed, commit: str) -> int:
    config = signed.folder / "reconcile.yaml"
    config.write_text(
        f"repository: {signed.site.repository.working_dir}\nstate: {signed.folder}/state\n"
        f"signatures: {{allowedSigners: {signed.signers.allowed}}}\n"
    )
    return main(["history", "--config", str(config), "--accept", commit])


def test_an_operator_accepts_a_rewrite_and_the_record_says_who(
    signed: Signed, capsys: pytest.CaptureFixture[str]
) -> None:
    old = signed.site.repository.head.commit.hexsha
    head = signed.change()
    signed.once()
    signed.rewind(old)
    assert signed.once().in_force == head
    assert accept(signed, old[:12]) == ExitCode.OK
    said = capsys.readouterr().out
    assert said.startswith(f"{old[:12]} was accepted by {user_name()}")
    assert said.endswith(f" in place of {head[:12]}\n")
    record = signed.once()
    assert (record.in_force, record.result) == (old, Result.CHANGED)
    assert said.strip() in record.message
    # From there on it is as always.
    signed.lifetime -= 100
    newer = signed.change()
    record = signed.once()
    assert (record.in_force, record.result) == (newer, Result.CHANGED), record.message
    signed.rewind(old)
    record = signed.once()
    assert record.in_force == newer, f"it was accepted once, and not for ever: {record.message}"
    signed.rewind(head)
    assert signed.once().in_force == newer


def test_what_follows_an_accepted_commit_has_to_be_signed(signed: Signed) -> None:
    old = signed.site.repository.head.commit.hexsha
    head = signed.change()
    signed.once()
    signed.rewind(old)
    signed.lifetime -= 100
    unsigned = signed.change(by="")
    signed.once()
    assert accept(signed, old) == ExitCode.OK
    record = signed.once()
    assert record.in_force == head
    assert f"{unsigned[:12]} is not signed" in record.message
    assert accept(signed, unsigned) == ExitCode.OK
    assert signed.once().in_force == unsigned, "the operator named it"


def test_going_back_and_forth_needs_an_operator_each_time(signed: Signed) -> None:
    fork = signed.site.repository.head.commit.hexsha
    one = signed.change()
    signed.once()
    signed.rewind(fork)
    text = (signed.site.tree / "paris-tunnel.yaml").read_text()
    other = signed.site.commit({"paris-tunnel.yaml": f"# another\n{text}"})
    for there, back in ((other, one), (one, other)):
        signed.rewind(there)
        assert signed.once().in_force == back
        accept(signed, there)
        assert signed.once().in_force == there
    signed.rewind(other)
    assert signed.once().in_force == one


def test_an_acceptance_ends_with_the_next_good_commit_whatever_made_that_one_good(signed: Signed) -> None:
    old = signed.site.repository.head.commit.hexsha
    signed.change()
    signed.once()
    signed.rewind(old)
    signed.once()
    accept(signed, old)
    assert signed.once().in_force == old
    signed.lifetime -= 100
    unsigned = signed.change(by="")
    assert signed.site.once().in_force == unsigned, "signatures are not required now"
    signed.rewind(old)
    record = signed.once()
    assert record.result is Result.FAILED
    assert "does not descend from" in record.message


def test_what_is_not_here_or_not_needed_cannot_be_accepted(
    signed: Signed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accept(signed, "0" * 40) == ExitCode.ERROR
    config = signed.folder / "reconcile.yaml"
    config.write_text(f"repository: /x\nstate: {signed.folder}/state\n")
    assert main(["history", "--config", str(config), "--accept", "HEAD"]) == ExitCode.ERROR
    assert "signatures are not required" in capsys.readouterr().err


def test_without_its_history_it_still_does_not_go_back(signed: Signed) -> None:
    old = signed.site.repository.head.commit.hexsha
    good = signed.change()
    signed.once()
    (signed.folder / "state" / "history.db").unlink()
    signed.rewind(old)
    record = signed.once()
    assert (record.in_force, record.result) == (good, Result.INCOMPLETE), "the clone has kept it"
    assert "does not descend from" in record.message


def test_the_history_keeps_a_bounded_number_of_acceptances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.model.bounds.ACCEPTED_COMMITS", 3)
    history = History(tmp_path / "history.db")
    now = datetime.now(UTC)
    for number in range(5):
        history.accept(Acceptance(f"{number}", now - timedelta(days=number), "x"))
    assert [one.commit for one in history.accepted()] == ["4", "3", "2"]
    history.accept(Acceptance("3", now, "x"))
    assert [one.commit for one in history.accepted()] == ["3", "4", "2"], (
        "the clock says nothing of the order"
    )


def test_an_acceptance_counts_whatever_the_clock_says(signed: Signed) -> None:
    old = signed.site.repository.head.commit.hexsha
    good = signed.change()
    signed.once()
    signed.rewind(old)
    assert signed.once().in_force == good
    yesterday = datetime.now(UTC) - timedelta(days=1)
    signed.history.accept(Acceptance(old, yesterday, "x", good))
    assert signed.once().in_force == old
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    signed.rewind(good)
    signed.history.accept(Acceptance(good, tomorrow, "x", old))
    assert signed.once().in_force == good
    signed.rewind(old)
    assert signed.once().in_force == good, "what was accepted before ended with it"


def test_an_operator_without_a_name_accepts(
    signed: Signed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container, where a user may be a number alone."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("getuid", "geteuid"):
        monkeypatch.setattr(os, name, lambda: 54_321)
    assert accept(signed, signed.site.repository.head.commit.hexsha) == ExitCode.OK
    assert " was accepted by 54321@" in capsys.readouterr().out


def test_the_last_good_commit_stays_when_a_name_is_not_utf8(signed: Signed) -> None:
    good = signed.site.repository.head.commit.hexsha
    site: Followed = signed.site
    path = bytes(site.tree) + b"/n\xf6te.yaml"
    with open(path, "wb") as file:  # noqa: PTH123 - of bytes
        file.write(b"apiVersion: tunnelwright/v1\n")
    head = signed.change()
    record = signed.once()
    assert (record.head, record.in_force, record.result) == (head, good, Result.INCOMPLETE)
    assert r"desired_state/n\xf6te.yaml: the name is not UTF-8" in record.message
    record.message.encode()
    signed.history.runs(1)[0].message.encode()
