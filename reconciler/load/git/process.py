"""How a Git process starts: what it sees, what overrules a repository's configuration, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reconciler.doors.processes import NOTHING, ChildFailed, ChildStopped, Input, Running, minimal, running
from reconciler.model.errors import SourceBroken, SourceUnavailable

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
"""No terminal asks for a password."""
OPTIONS: Final = tuple(
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
OPTIONS_HERE: Final = ("-c", "credential.helper=", "-c", "protocol.allow=never")
LACKS: Final = "a partial clone lacks objects: clone without --filter"


class GitFailed(SourceUnavailable):
    """Git ended with an error, or exceeded a bound. The message is its last line, or the bound."""


class GitEnded(GitFailed, SourceBroken):
    """Git ended with an error of its own, or its answer lacks what was asked for."""


class GitStopped(GitFailed):
    """Git was ended because this process is to end."""


def git_environment(*, away: bool = False) -> dict[str, str]:
    """All that a Git process sees; with `away`, one that may reach a remote."""
    if away:
        return {"GIT_SSH_COMMAND": _SSH} | minimal(*_OPERATORS) | _ALWAYS | _AWAY
    return minimal() | _ALWAYS | _HERE


@contextmanager
def started(
    words: Sequence[str],
    git_dir: Path,
    work_tree: Path | None = None,
    *,
    stdin: Input = NOTHING,
    away: bool = False,
) -> Iterator[Running]:
    """A Git process with these words, as long as the context lives; with `away`, one that may reach a remote.

    Raises GitFailed, GitStopped.
    """
    where = [f"--git-dir={git_dir}"]
    if work_tree is not None:
        where.append(f"--work-tree={work_tree}")
    command = ["git", *OPTIONS, *(() if away else OPTIONS_HERE), *where, *words]
    try:
        with running(command, git_environment(away=away), work_tree or git_dir, stdin) as child:
            yield child
    except ChildStopped as error:
        raise GitStopped(error.message) from error
    except ChildFailed as error:
        raise GitFailed(error.message) from error


def check(child: Running, command: str, codes: Collection[int] = (0,)) -> None:
    """Raise GitFailed unless it has ended well, once its output is at its end."""
    if child.code() not in codes:
        said = child.said() or f"git {command} ended with {child.code()}"
        # Git asks the remote of a partial clone, which may end it before it says for what.
        lacks = "promisor" in said or (command != "fetch" and "not allowed" in said)
        raise GitEnded(said, hint=LACKS if lacks else "")
