"""The protocol of a forge."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reconciler.model.errors import TunnelwrightError
from reconciler.model.visible import visible


class Kind(StrEnum):
    """The APIs that are spoken. Forgejo speaks Gitea's."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class State(StrEnum):
    """How it stands with a commit."""

    SUCCESS = "success"
    FAILURE = "failure"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What is said of one commit. `context` keeps it apart from what others say of it."""

    commit: str
    branch: str
    state: State
    context: str
    description: str
    """Of any length: a forge cuts it to what its API takes."""
    url: str = ""
    """Where more is said of it; empty for nowhere."""


class Forge(Protocol):
    """One project at one forge. Both methods raise ForgeError."""

    def set_status(self, status: CommitStatus) -> None:
        """Set the status of a commit; one with the same context is replaced."""
        ...

    def put_comment(self, number: int, mark: str, body: str) -> None:
        """Let a pull or merge request have one comment that begins with `mark`: the one that this token's
        user has written is updated, else one is made. Comments of others are never touched."""
        ...


class ForgeError(TunnelwrightError):
    """A forge did not answer, or refused. Never holds the token.

    `status` is that of HTTP, 0 when there was no answer. `retryable` says whether the same request may be
    sent again, `retry_after` in how many seconds, None where the forge does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int = 0,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after


def shortened(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
