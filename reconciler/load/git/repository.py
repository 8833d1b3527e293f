"""Queries of a local repository, each with a bounded answer."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.doors.processes import NOTHING, Input, Timeouts, decoded, never
from reconciler.load.git import transfer
from reconciler.load.git.process import LACKS, GitEnded, GitFailed, check, started
from reconciler.model.bounds import GIT_ANSWER, GIT_SECONDS, LISTING_BYTES, MIB, MOST_CANDIDATES
from reconciler.model.listing import counted


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on this machine. Every method raises GitFailed, of which the message is Git's own."""

    git_dir: Path
    work_tree: Path | None = None
    """None for a bare one."""

    def ask(
        self,
        *words: str,
        most: int = GIT_ANSWER,
        stdin: Input = NOTHING,
        codes: Collection[int] = (0,),
        away: bool = False,
    ) -> bytes:
        """What a command writes, in bytes. `codes` are the exit codes of success; with `away` it sees the
        operator's own configuration."""
        answer = bytearray()
        for chunk in self._chunks(words, stdin, codes, away=away):
            answer += chunk
            if len(answer) > most:
                raise GitFailed(f"git {words[0]} wrote more than {counted(most, 'byte')}")
        return bytes(answer)

    def items(self, *words: str) -> Iterator[bytes]:
        """What a command with `-z` writes, item by item, as it comes."""
        rest, total = b"", 0
        for chunk in self._chunks(words):
            total += len(chunk)
            if total > LISTING_BYTES:
                raise GitFailed(f"git {words[0]} listed more than {LISTING_BYTES // MIB} MiB")
            *items, rest = (rest + chunk).split(b"\0")
            yield from items

    def contents(self, blobs: Sequence[str]) -> Iterator[bytes]:
        """The bytes of blobs, in one `git cat-file --batch`: a request for each costs eight times as long.

        The caller has checked their sizes.
        """
        if not blobs:
            return
        with tempfile.TemporaryFile() as requests:
            requests.write("".join(f"{blob}\n" for blob in blobs).encode())
            requests.seek(0)
            wanted, buffer, at, size = iter(blobs), bytearray(), 0, -1
            for chunk in self._chunks(("cat-file", "--batch"), requests):
                buffer += chunk
                while True:
                    if size < 0:
                        end = buffer.find(b"\n", at)
                        if end < 0:
                            break
                        size, at = _size(bytes(buffer[at:end]), next(wanted)), end + 1
                    # A line end follows each.
                    if len(buffer) < at + size + 1:
                        break
                    yield bytes(buffer[at : at + size])
                    at, size = at + size + 1, -1
                del buffer[:at]
                at = 0
            if size >= 0 or next(wanted, None) is not None:
                raise GitEnded("git cat-file ended early")

    def commit(self, rev: str) -> str:
        """The full id of the commit that a user calls `rev`."""
        return self.ask("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}").decode().strip()

    def has(self, rev: str) -> bool:
        """Whether there is such a commit."""
        with suppress(GitFailed):
            return bool(self.commit(rev))
        return False

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether a commit is another one or among its ancestors; False when it is not here."""
        if not self.has(old):
            return False
        words = ("merge-base", "--is-ancestor", "--end-of-options", old, new)
        with started(words, self.git_dir, self.work_tree) as child:
            for _ in child.chunks(Timeouts(GIT_SECONDS, GIT_SECONDS), never):
                pass
            # Silence is no answer: 0 says yes and 1 no, and whatever else is an error (git-merge-base(1)).
            if child.code() == 1:
                return False
            check(child, words[0])
            return True

    def has_merges(self, old: str, new: str) -> bool:
        """Whether any commit that `new` has and `old` has not has several parents."""
        return bool(self._range(("--merges", "--max-count=1"), new, old))

    def between(self, old: str, new: str, most: int) -> list[str]:
        """Ids of the commits that `new` has and `old` has not, `most` of them; `new`, an id, is the
        first."""
        found = self._range((f"--max-count={most}",), new, old)
        if found[:1] != [new] and not self.is_ancestor(new, old):
            raise GitEnded(f"git rev-list does not list {new[:12]}, which is not an ancestor of {old[:12]}")
        return found

    def refs(self) -> list[str]:
        """The names of branches, of remotes' branches and of tags, as many as a hint chooses from."""
        words = (f"--count={MOST_CANDIDATES}", "--format=%(refname:short)")
        kinds = ("refs/heads", "refs/remotes", "refs/tags")
        return self.ask("for-each-ref", *words, *kinds).decode(errors="replace").split()

    def is_empty(self) -> bool:
        """Whether no reference leads to anything."""
        return not self.ask("for-each-ref", "--count=1", "--format=%(refname)")

    def cuts(self) -> frozenset[str]:
        """Ids of the commits whose parents were not fetched (gitrepository-layout(5), `shallow`).

        Raises OSError.
        """
        try:
            # What is no id stays: Git refuses the file, and it is no history without a cut.
            return frozenset((self.git_dir / "shallow").read_bytes().decode("ascii", "replace").split())
        except FileNotFoundError:
            return frozenset()

    def is_shallow(self) -> bool:
        """Whether history ends somewhere because the rest was not fetched. Raises OSError."""
        return bool(self.cuts())

    def place(self, folder: Path) -> str:
        """A folder's path in the repository, with a slash at its end; empty for the repository itself."""
        if self.work_tree is None:
            return ""
        place = folder.resolve().relative_to(self.work_tree).as_posix()
        return "" if place == "." else f"{place}/"

    def fetch(self, remote: str, refspec: str, *options: str, watch: transfer.Watch) -> None:
        """Transfer what `refspec` names.

        Raises GitFailed also when nothing comes for too long, or too much does, and GitStopped.
        """
        transfer.fetch(self.git_dir, remote, refspec, options, watch)

    def branches_of(self, remote: str, watch: transfer.Watch) -> list[str]:
        """The names of a remote's branches. Raises also GitStopped."""
        return transfer.branches(self.git_dir, remote, watch)

    def _range(self, options: Sequence[str], of: str, but_not: str) -> list[str]:
        return self.ask("rev-list", *options, "--end-of-options", of, f"^{but_not}").decode().split()

    def _chunks(
        self,
        words: Sequence[str],
        stdin: Input = NOTHING,
        codes: Collection[int] = (0,),
        *,
        away: bool = False,
    ) -> Iterator[bytes]:
        with started(words, self.git_dir, self.work_tree, stdin=stdin, away=away) as child:
            for is_error, chunk in child.chunks(Timeouts(GIT_SECONDS, GIT_SECONDS), never):
                if not is_error:
                    yield chunk
            check(child, words[0], codes)


def _size(header: bytes, wanted: str) -> int:
    """From the line before a blob: id, type, size."""
    match header.split(b" "):
        case [_, b"blob", size]:
            return int(size)
    raise GitEnded(f"the object {wanted} is {decoded(header).rpartition(' ')[2]}", hint=LACKS)
