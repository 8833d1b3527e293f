"""The part of GitHub's API that Gitea has as well: statuses of commits, and comments on a pull request,
which are those of an issue."""

from __future__ import annotations

from pydantic import BaseModel

from reconciler.forges.api import Api
from reconciler.forges.forge import CommitStatus, shortened


class User(BaseModel):
    """The owner of a token or a comment."""

    login: str


class Comment(BaseModel):
    """A comment as GitHub and Gitea give it; a user that is gone is null."""

    id: int
    user: User | None
    body: str | None


def put_status(api: Api, project: str, status: CommitStatus, longest: int) -> None:
    """Set a commit's status, its description cut to so many characters. Raises ForgeError."""
    api.send(
        "POST",
        f"{project}/statuses/{status.commit}",
        {
            "state": status.state.value,
            "context": status.context,
            "description": shortened(status.description, longest),
            **({"target_url": status.url} if status.url else {}),
        },
    )


def put_issue_comment(api: Api, project: str, number: int, login: str, *, mark: str, body: str) -> None:
    """Update the comment of `login` that begins with `mark`, or make it. Raises ForgeError."""
    place = f"{project}/issues"
    for comment in api.pages(f"{place}/{number}/comments", Comment):
        if comment.user is not None and comment.user.login == login and (comment.body or "").startswith(mark):
            api.send("PATCH", f"{place}/comments/{comment.id}", {"body": body})
            return
    # Twice would be two comments.
    api.send("POST", f"{place}/{number}/comments", {"body": body}, again=False)
