"""GitLab: https://docs.gitlab.com/api/commits/ and https://docs.gitlab.com/api/notes/, version 4."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel

from reconciler.forges.api import Api
from reconciler.forges.forge import CommitStatus, ForgeError, State, shortened
from reconciler.model.secret import Secret

PUBLIC = "https://gitlab.com/api/v4"
_STATES = {State.SUCCESS: "success", State.FAILURE: "failed", State.PENDING: "pending"}
_DESCRIPTION = 255


class _Author(BaseModel):
    id: int


class _Note(BaseModel):
    id: int
    body: str
    author: _Author | None


class GitLab:
    """A Forge. `project` is the path of a project, or its number."""

    def __init__(self, url: str, project: str, token: Secret) -> None:
        self._api = Api(url, token, header="PRIVATE-TOKEN")
        self._project = f"/projects/{quote(project, safe='')}"

    def set_status(self, status: CommitStatus) -> None:
        """`POST /projects/:id/statuses/:sha`. `ref`, or it lands at any branch with it."""
        body = {
            "state": _STATES[status.state],
            "ref": status.branch,
            "name": status.context,
            "description": shortened(status.description, _DESCRIPTION),
            **({"target_url": status.url} if status.url else {}),
        }
        try:
            self._api.send("POST", f"{self._project}/statuses/{status.commit}", body)
        except ForgeError as error:
            # From pending to pending is no transition for GitLab: it refuses what is so already.
            if not (error.status == 400 and f"from :{body['state']}" in error.message):
                raise

    def put_comment(self, number: int, mark: str, body: str) -> None:
        """`/projects/:id/merge_requests/:iid/notes`."""
        me = self._api.get("/user", _Author).id
        notes = f"{self._project}/merge_requests/{number}/notes"
        for note in self._api.pages(notes, _Note, sort="asc", order_by="created_at"):
            if note.author is not None and note.author.id == me and note.body.startswith(mark):
                self._api.send("PUT", f"{notes}/{note.id}", {"body": body})
                return
        # Twice would be two notes.
        self._api.send("POST", notes, {"body": body}, again=False)
