"""The only door to Git: every Git process of this project starts here, under our configuration alone.

Nothing that comes with the content may run anything or be asked for anything:

- A repository is found by `.git` alone, going up from a folder. A folder that merely looks like a bare
  repository is never taken for one, since whoever writes its `config` names commands in it.
- The environment is made anew (`child.minimal`): no `GIT_*`, no token. What is read on this machine sees
  neither the user's nor the system's configuration; what the repository's own says of hooks, file system
  monitors, attributes, pagers and credentials is overruled, and replacements and grafts are not looked at.
- Reading reaches no remote: no protocol is allowed, so an object that a partial clone lacks is missing.
  `GIT_NO_LAZY_FETCH` says the same from Git 2.39.4 on; `GIT_ALLOW_PROTOCOL` says it to every Git, and
  no configuration overrules it.
- A fetch is the operator's: it sees the operator's own configuration and SSH agent, because credentials
  stand there, and five protocols, none of which names a command.

Indexes that Git believes without looking at the objects (commit graphs, indexes of several packs) are not
used: one that is damaged would answer wrongly in place of failing.

Because nothing that a repository's configuration names is run, its owner is not asked for either
(`safe.directory`): CI containers read checkouts of other users.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from reconciler.child import (
    ChildFailed,
    ChildStopped,
    Patience,
    Running,
    decoded,
    minimal,
    never,
    running,
)
from reconciler.model.bounds import (
    FETCH_BYTES,
    FETCH_SECONDS,
    FETCH_STALL,
    GIT_ANSWER,
    GIT_FILE,
    GIT_SECONDS,
    LISTING_BYTES,
    MIB,
)
from reconciler.model.errors import SourceBroken, SourceUnavailable

if TYPE_CHECKING:
    from git import Repo

_ALWAYS: Final = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
_HERE: Final = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_SSH_COMMAND": "false",
}
"""Added for all that stays on this machine."""
_AWAY: Final = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
"""Added for a fetch. What is not named (`ext`, `fd`, remote helpers) is refused, whatever is configured."""
_OPERATORS: Final = (
    "HOME",
    "XDG_CONFIG_HOME",
    "SSH_AUTH_SOCK",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
)
"""Variables that a fetch may see: where the operator's configuration, keys, certificates and proxies are."""
_SSH: Final = "ssh -oBatchMode=yes"
"""Nobody is there to be asked for a password."""
_OPTIONS: Final = tuple(
    word
    for setting in (
        "core.alternateRefsCommand=true",
        f"core.attributesFile={os.devnull}",
        "core.commitGraph=false",
        "core.fsmonitor=false",
        f"core.hooksPath={os.devnull}",
        "core.multiPackIndex=false",
        "core.pager=cat",
        "fetch.recurseSubmodules=false",
        "fetch.unpackLimit=1",
        "log.showSignature=false",
        "safe.bareRepository=explicit",
        "submodule.recurse=false",
    )
    for word in ("-c", setting)
)
_OPTIONS_HERE: Final = ("-c", "credential.helper=", "-c", "protocol.allow=never")
_LACKS: Final = "a partial clone lacks objects: clone without --filter"
_PACKS: Final = "objects/pack"
_UNFINISHED: Final = "tmp_"
"""What the names of files begin with that Git leaves behind when it is ended while it receives them."""


class GitFailed(SourceUnavailable):
    """Git ended with an error, or exceeded a bound. The message is its last line, or the bound."""


class GitEnded(GitFailed, SourceBroken):
    """Git ended with an error of its own, or its answer lacks what was asked for."""


class GitStopped(GitFailed):
    """Git was ended because this process is to end."""


def environment(*, away: bool = False) -> dict[str, str]:
    """All that a Git process sees; with `away`, one that may reach a remote."""
    if away:
        return {"GIT_SSH_COMMAND": _SSH} | minimal(*_OPERATORS) | _ALWAYS | _AWAY
    return minimal() | _ALWAYS | _HERE


@dataclass(frozen=True, slots=True)
class Watch:
    """How a transfer is watched: its bounds, who hears of its progress, and who may end it."""

    stall: float = FETCH_STALL
    total: float = FETCH_SECONDS
    most: int = FETCH_BYTES
    progress: Callable[[str], None] = lambda _: None
    told_every: float = 10.0
    """Seconds between two words about the progress."""
    stopping: Callable[[], bool] = never


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on this machine. Every method raises GitFailed, of which the message is Git's own."""

    git_dir: Path
    work_tree: Path | None = None
    """None for a bare one."""

    def ask(self, *words: str, most: int = GIT_ANSWER, stdin: IO[bytes] | int = subprocess.DEVNULL) -> bytes:
        """What a command writes, in bytes."""
        answer = bytearray()
        for chunk in self._chunks(words, stdin):
            answer += chunk
            if len(answer) > most:
                raise GitFailed(f"git {words[0]} wrote more than {most} bytes")
        return bytes(answer)

    def listed(self, *words: str) -> Iterator[bytes]:
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

        Whoever asks has seen to their sizes.
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
        with self._started(words) as child:
            for _ in child.chunks(Patience(GIT_SECONDS, GIT_SECONDS), never):
                pass
            # Silence is no answer: 0 says yes and 1 no, and whatever else is an error (git-merge-base(1)).
            if child.code() == 1:
                return False
            _check(child, words[0])
            return True

    def has_merges(self, old: str, new: str) -> bool:
        """Whether any commit that `new` has and `old` has not has several parents."""
        return bool(self._range(("--merges", "--max-count=1"), new, old))

    def between(self, old: str, new: str, most: int) -> list[str]:
        """Ids of the commits that `new` has and `old` has not, `most` of them; `new`, an id, is the first."""
        found = self._range((f"--max-count={most}",), new, old)
        if found[:1] != [new] and not self.is_ancestor(new, old):
            raise GitEnded(f"git rev-list does not tell of {new[:12]}, which {old[:12]} has not")
        return found

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

    def fetch(self, remote: str, refspec: str, *options: str, watch: Watch) -> None:
        """Transfer what `refspec` names.

        Raises GitFailed also when nothing comes for too long, or too much does, and GitStopped.
        """
        words = ("fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--prune", *options)
        command = self._command(words, "--end-of-options", remote, refspec, away=True)
        before = self._packs()
        try:
            with _translated(), running(command, environment(away=True), self.git_dir) as child:
                self._receive(child, before, watch)
        except GitFailed:
            for name in self._packs():
                if name not in before and name.startswith(_UNFINISHED):
                    (self.git_dir / _PACKS / name).unlink(missing_ok=True)
            raise

    def _receive(self, child: Running, before: Mapping[str, int], watch: Watch) -> None:
        looked = told = time.monotonic()
        for is_error, chunk in child.chunks(Patience(watch.stall, watch.total), watch.stopping):
            now = time.monotonic()
            if now > looked + 1:
                looked = now
                if sum(size for name, size in self._packs().items() if name not in before) > watch.most:
                    raise GitFailed(f"more than {watch.most} bytes came in one transfer")
            if is_error and now > told + watch.told_every:
                told = now
                watch.progress(_last(chunk))
        _check(child, "fetch")

    def _packs(self) -> dict[str, int]:
        """The files of packs with their bytes, those that are being received included."""
        found: dict[str, int] = {}
        with suppress(OSError):
            for entry in os.scandir(self.git_dir / _PACKS):
                with suppress(OSError):
                    found[entry.name] = entry.stat().st_size
        return found

    def _range(self, options: Sequence[str], of: str, but_not: str) -> list[str]:
        return self.ask("rev-list", *options, "--end-of-options", of, f"^{but_not}").decode().split()

    def _chunks(self, words: Sequence[str], stdin: IO[bytes] | int = subprocess.DEVNULL) -> Iterator[bytes]:
        with self._started(words, stdin) as child:
            for is_error, chunk in child.chunks(Patience(GIT_SECONDS, GIT_SECONDS), never):
                if not is_error:
                    yield chunk
            _check(child, words[0])

    @contextmanager
    def _started(
        self, words: Sequence[str], stdin: IO[bytes] | int = subprocess.DEVNULL
    ) -> Iterator[Running]:
        folder = self.work_tree or self.git_dir
        with _translated(), running(self._command(words), environment(), folder, stdin) as child:
            yield child

    def _command(self, words: Sequence[str], *more: str, away: bool = False) -> list[str]:
        where = [f"--git-dir={self.git_dir}"]
        if self.work_tree is not None:
            where.append(f"--work-tree={self.work_tree}")
        return ["git", *_OPTIONS, *(() if away else _OPTIONS_HERE), *where, *words, *more]


def refuse_links_below(folder: Path) -> None:
    """Raise SourceUnavailable for a folder that a link of its repository leads to: what is there may lie
    outside of the repository, and another place of it than the one that is deployed. A link above the
    repository is its owner's."""
    links: list[Path] = []
    here = Path(os.path.abspath(folder))  # noqa: PTH100 - `resolve` would follow them
    for place in (here, *here.parents):
        if os.path.lexists(place / ".git"):
            if links:
                raise SourceUnavailable(
                    f"{folder} is behind the symbolic link {links[-1]}, which is not followed",
                    hint="name the folder itself",
                )
            return
        if place.is_symlink():
            links.append(place)


def found_above(folder: Path) -> Repository | None:
    """The repository that a folder lies in: the first `.git` in it or above it. None without one.

    Raises GitFailed for a `.git` that leads back into the folder that it stands in, which only content can
    have put there.
    """
    try:
        here = folder.resolve()
        for place in (here, *here.parents):
            entry = place / ".git"
            if os.path.lexists(entry):
                return Repository(_git_dir(entry), place)
    except (OSError, RuntimeError, ValueError) as error:
        # What cannot be read, links in a circle, a zero byte in a name.
        raise GitFailed(f"no repository can be found above {folder}: {error}") from error
    return None


def opened(folder: Path) -> Repository:
    """As `found_above`. Raises GitFailed when there is none."""
    repository = found_above(folder)
    if repository is None:
        raise GitFailed("not a Git repository")
    return repository


def initialised(folder: Path, branch: str) -> Repository:
    """A new bare repository without anything from a template. Raises GitFailed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    repository = Repository(folder)
    repository.ask("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}")
    return repository


def writable(folder: Path) -> Repo:
    """A repository of this program's own, made if need be, in which it commits: GitPython's, with every
    process started as in this module. The branch is `main`."""
    from git import Git, Repo  # noqa: PLC0415  70 ms that reading need not pay

    # GitPython hands its own environment down; `env -i` takes it away again.
    beginning = ["env", "-i", *(f"{name}={value}" for name, value in environment().items()), "git"]

    class OurGit(Git):
        def execute(self, command: Any, *more: Any, **named: Any) -> Any:  # noqa: ANN401 - as GitPython has it
            return super().execute([*beginning, *_OPTIONS, *_OPTIONS_HERE, *command[1:]], *more, **named)

    class OurRepo(Repo):
        GitCommandWrapperType = OurGit

    return OurRepo.init(folder, initial_branch="main")


def _git_dir(entry: Path) -> Path:
    """Where a `.git` leads."""
    place = entry.parent
    target = entry.resolve()
    if target.is_file():
        with target.open("rb") as file:
            line = file.read(GIT_FILE)
        if not line.startswith(b"gitdir: "):
            raise GitFailed(f"{entry} is no Git repository and names none")
        target = (place / os.fsdecode(line.removeprefix(b"gitdir: ").rstrip(b"\r\n"))).resolve()
    if target != place / ".git" and target.is_relative_to(place):
        raise GitFailed(f"{entry} leads into the folder that it stands in")
    if not (target / "HEAD").exists():
        raise GitFailed(f"{entry} is no Git repository")
    return target


def _check(child: Running, command: str) -> None:
    if child.code() != 0:
        said = child.said() or f"git {command} ended with {child.code()}"
        lacks = "promisor" in said
        raise GitEnded(said, hint=_LACKS if lacks else "")


def _size(header: bytes, wanted: str) -> int:
    """From the line before a blob: id, type, size."""
    match header.split(b" "):
        case [_, b"blob", size]:
            return int(size)
    raise GitEnded(f"the object {wanted} is {decoded(header).rpartition(' ')[2]}", hint=_LACKS)


def _last(chunk: bytes) -> str:
    lines = [line for line in decoded(chunk).replace("\r", "\n").split("\n") if line.strip()]
    return lines[-1].strip()[:200] if lines else ""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ChildStopped as error:
        raise GitStopped(error.message) from error
    except ChildFailed as error:
        raise GitFailed(error.message) from error
