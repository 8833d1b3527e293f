"""GitHub's, GitLab's and Gitea's REST APIs on loopback, as far as they are used: a request that the published
API would refuse is refused in its words."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reconciler.forges.forge import Kind

TOKEN = "PLANTED-5e1f0a9c7b-token"
SHA = "4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e"
ME = "tunnelwright-bot[bot]"
PROJECT = "acme/tunnels"
NUMBER = 7


@dataclass(slots=True)
class Request:
    """One request, as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Answer:
    """One response, as it goes."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0
    """Seconds to wait first; ended early when the server stops."""


@dataclass(slots=True)
class ForgeServer:
    """A forge with one project, one commit and one pull request. `faults` are answered first."""

    kind: Kind
    faults: list[Answer] = field(default_factory=list)
    fault_of_writes: Answer | None = None
    """The answer to a comment, which is made nevertheless."""
    requests: list[Request] = field(default_factory=list)
    statuses: list[dict[str, str]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    host: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The address of the API."""
        return self.host + {Kind.GITHUB: "", Kind.GITLAB: "/api/v4", Kind.GITEA: "/api/v1"}[self.kind]

    def comment(self, author: str, body: str) -> int:
        """A person has written a comment."""
        number = 100 + len(self.comments)
        self.comments.append({"id": number, "author": author, "body": body})
        return number

    def answer(self, request: Request) -> Answer:
        """What the forge would say."""
        self.requests.append(request)
        if self.faults:
            return self.faults.pop(0)
        if not self._authorised(request):
            return Answer(
                401, {"message": "401 Unauthorized" if self.kind is Kind.GITLAB else "Bad credentials"}
            )
        if request.method in {"POST", "PATCH", "PUT"} and "application/json" not in request.headers.get(
            "content-type", ""
        ):
            return Answer(415, {"message": "Unsupported Media Type"})
        return self._gitlab(request) if self.kind is Kind.GITLAB else self._like_github(request)

    def _authorised(self, request: Request) -> bool:
        name, value = {
            Kind.GITHUB: ("authorization", f"Bearer {TOKEN}"),
            Kind.GITLAB: ("private-token", TOKEN),
            Kind.GITEA: ("authorization", f"token {TOKEN}"),
        }[self.kind]
        return request.headers.get(name) == value

    def _like_github(self, request: Request) -> Answer:  # noqa: PLR0911 - one for each endpoint
        base = urlsplit(self.url).path
        repository = f"{base}/repos/{PROJECT}"
        match request.method, request.path:
            case "GET", path if path == f"{base}/user":
                if self.kind is Kind.GITHUB:
                    return Answer(403, {"message": "Resource not accessible by integration"})
                return Answer(200, {"id": 5, "login": ME})
            case "POST", "/graphql" if self.kind is Kind.GITHUB:
                assert set(request.body) == {"query"}
                return Answer(200, {"data": {"viewer": {"login": ME}}})
            case "POST", path if path == f"{repository}/statuses/{SHA}":
                return self._status(request.body)
            case "GET", path if path == f"{repository}/issues/{NUMBER}/comments":
                return self._list(request)
            case "POST", path if path == f"{repository}/issues/{NUMBER}/comments":
                return self._write(request, None)
            case "PATCH", path if found := re.fullmatch(rf"{repository}/issues/comments/(\d+)", path):
                return self._write(request, int(found[1]))
        return Answer(404, {"message": "Not Found"})

    def _gitlab(self, request: Request) -> Answer:
        project = f"/api/v4/projects/{PROJECT.replace('/', '%2F')}"
        notes = f"{project}/merge_requests/{NUMBER}/notes"
        match request.method, request.path:
            case "GET", "/api/v4/user":
                return Answer(200, {"id": 5, "username": ME})
            case "POST", path if path == f"{project}/statuses/{SHA}":
                return self._status(request.body)
            case "GET", path if path == notes:
                return self._list(request)
            case "POST", path if path == notes:
                return self._write(request, None)
            case "PUT", path if found := re.fullmatch(rf"{re.escape(notes)}/(\d+)", path):
                return self._write(request, int(found[1]))
        return Answer(404, {"message": "404 Project Not Found"})

    def _status(self, body: dict[str, str]) -> Answer:
        gitlab = self.kind is Kind.GITLAB
        fields = {"state", "target_url", "description", *(("ref", "name") if gitlab else ("context",))}
        states = {
            Kind.GITHUB: {"error", "failure", "pending", "success"},
            Kind.GITLAB: {"pending", "running", "success", "failed", "canceled", "skipped"},
            Kind.GITEA: {"error", "failure", "pending", "success", "warning"},
        }[self.kind]
        limit = {Kind.GITHUB: 140, Kind.GITLAB: 255, Kind.GITEA: 255}[self.kind]
        if not set(body) <= fields or body.get("state") not in states:
            return Answer(400 if gitlab else 422, {"message": "state does not have a valid value"})
        if len(body["description"]) > limit or "\n" in body["description"]:
            return Answer(422, {"message": f"description is too long (maximum is {limit} characters)"})
        if (
            gitlab
            and body["state"] == "pending"
            and self.statuses
            and self.statuses[-1]["state"] == "pending"
        ):
            reason = 'Status cannot transition via "enqueue"'
            said = f"Cannot transition status via :enqueue from :pending (Reason(s): {reason})"
            return Answer(400, {"message": said})
        self.statuses.append(body)
        return Answer(201, {"id": len(self.statuses), **body})

    def _list(self, request: Request) -> Answer:
        shown = [self._shown(item) for item in self.comments]
        if self.kind is Kind.GITEA:
            return Answer(200, shown)
        # GitHub and GitLab give 100 at most, whatever is asked for.
        size, page = min(int(request.query.get("per_page", 30)), 100), int(request.query.get("page", 1))
        links = {}
        if page * size < len(shown):
            # Another host: a client that follows it would take the token there.
            links = {"Link": f'<http://elsewhere.invalid{request.path}?page={page + 1}>; rel="next"'}
        return Answer(200, shown[(page - 1) * size : page * size], links)

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        if self.kind is Kind.GITLAB:
            return {**item, "author": {"id": 5 if item["author"] == ME else 6, "username": item["author"]}}
        user = {"login": item["author"], "type": "Bot"} if item["author"] else None
        return {"id": item["id"], "user": user, "body": item["body"]}

    def _write(self, request: Request, number: int | None) -> Answer:
        if set(request.body) != {"body"} or len(request.body["body"]) > 65_536:
            return Answer(422, {"message": "Validation Failed"})
        if number is None:
            number = self.comment(ME, request.body["body"])
            return self.fault_of_writes or Answer(201, {"id": number})
        for item in self.comments:
            if item["id"] == number:
                item["body"] = request.body["body"]
                return Answer(200, self._shown(item))
        return Answer(404, {"message": "Not Found"})


@contextmanager
def forge_server(kind: Kind) -> Iterator[ForgeServer]:
    """A forge that listens until the end of the block."""
    server = ForgeServer(kind)
    with listening(server.answer, server.stopping) as host:
        server.host = host
        yield server


@contextmanager
def listening(answer: Any, stopping: threading.Event) -> Iterator[str]:
    """An HTTP server on loopback that answers with `answer(Request)`; its address."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(content) if content else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = answer(Request(self.command, parts.path, query, headers, body))
            stopping.wait(found.after)
            text = found.body if isinstance(found.body, str) else json.dumps(found.body)
            try:
                self.send_response(found.status)
                for name, value in found.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())
            except OSError:
                return  # the client has gone

        do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def misbehaving(first: bytes, chunk: bytes, pause: float = 0) -> Iterator[int]:
    """A server on loopback that answers each request with some bytes and then, for as long as a client
    listens, a chunk again and again with a pause in between; without a chunk nothing more. Its port."""
    stopping = threading.Event()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(5)
            try:
                self.request.recv(65536)
                self.request.sendall(first)
                while chunk and not stopping.wait(pause):
                    self.request.sendall(chunk)
            except OSError:
                return  # the client has gone
            stopping.wait(60)

    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
