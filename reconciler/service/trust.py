"""Whether a commit counts: signed with an accepted key, and a descendant of what counted before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.doors.processes import never
from reconciler.history.store import History
from reconciler.model.bounds import SIGNED_COMMITS
from reconciler.model.record import Acceptance
from reconciler.service.repository import FollowedRepository
from reconciler.service.signatures import CommitNotTrusted, Signers

_ACCEPT = "an operator accepts it with `tunnelwright history --accept {}`"
_BEFORE = "it is the last good commit, from before signatures were required: push a signed commit on top, or "


def check_signature(repository: FollowedRepository, signers: Signers | None, commit: str) -> str:
    """Who has signed the commit; empty where signatures are not asked for.

    Raises CommitNotTrusted, and SourceUnavailable when the commit is not here.
    """
    if signers is None:
        return ""
    try:
        return signers.check(repository.raw(commit), datetime.now(UTC))
    except CommitNotTrusted as error:
        message = f"the commit {commit[:12]} is not signed with an allowed key: {error.message}"
        raise CommitNotTrusted(message) from error


@dataclass(frozen=True, slots=True)
class Trust:
    """Which commits count. Without `signers` every commit does, and so does a branch that was rewritten.

    With them, a person who may push without a key that may sign cannot bring back what was: the head descends
    from the last good commit, and every commit that it has and that one has not is signed, those of merged
    branches included. What counted once goes on to count when its key expires later.
    """

    repository: FollowedRepository
    history: History
    signers: Signers | None = None
    stopping: Callable[[], bool] = never
    """Ends a transfer of older history."""

    def good(self) -> str:
        """The last good commit; empty for none. Where the history is lost, the clone has kept it.

        Raises SourceUnavailable.
        """
        return self.history.good() or self.repository.kept()

    def check_head(self, head: str) -> str:
        """What there is to say of the head of the branch: who has accepted it against the rules.

        Raises CommitNotTrusted, and SourceUnavailable when its history cannot be read.
        """
        if self.signers is None:
            return ""
        good = self.good()
        accepted = self.history.accepted()
        base, note = good, ""
        if good and not self.repository.descends(head, good, self.stopping):
            by_operator = self._by_operator(head, good, accepted)
            base, note = by_operator.commit, f"{by_operator} in place of {good[:12]}"
        if any(one.commit == head for one in accepted):
            return note
        who = ""
        for commit in self._new(head, base):
            by = self._signer(commit)
            who = by if commit == head else who
        if who:
            self.history.accept(Acceptance(head, datetime.now(UTC), who))
        return note

    def check_known(self, commit: str) -> None:
        """See that a commit that was the head before still counts.

        Raises CommitNotTrusted, and SourceUnavailable when it is not here.
        """
        if self.signers is not None and all(one.commit != commit for one in self.history.accepted()):
            self._signer(commit)

    def _signer(self, commit: str) -> str:
        """As `check_signature`, with what there is to do when signatures are asked for anew."""
        try:
            return check_signature(self.repository, self.signers, commit)
        except CommitNotTrusted as error:
            if commit == self.good():
                error.hint = _BEFORE + _ACCEPT.format(commit[:12])
            raise

    def _by_operator(self, head: str, good: str, accepted: list[Acceptance]) -> Acceptance:
        """The acceptance that the head goes back to. It holds until there is another good commit: so
        no later head can come back to it."""
        since = next((one.number for one in accepted if one.commit == good), 0)
        for one in accepted:
            current = one.instead_of == good and one.number > since
            if current and self.repository.descends(head, one.commit, self.stopping):
                return one
        raise CommitNotTrusted(
            f"the commit {head[:12]} does not descend from {good[:12]}, the last good one",
            hint=_ACCEPT.format(head[:12]),
        )

    def _new(self, head: str, base: str) -> list[str]:
        """What has to be signed: the head alone where nothing counted before, or nothing is new."""
        if not base:
            return [head]
        new = self.repository.between(base, head, SIGNED_COMMITS + 1, self.stopping)
        if len(new) > SIGNED_COMMITS:
            raise CommitNotTrusted(
                f"the commit {head[:12]} has more than {SIGNED_COMMITS} new commits",
                hint=_ACCEPT.format(head[:12]),
            )
        return new or [head]
