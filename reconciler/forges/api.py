"""Requests to a REST API with a token in a header: bounded in time and size, retried with care, never
redirected. Answers are untrusted."""

from __future__ import annotations

import re
import time
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from reconciler.doors.http import Deadline
from reconciler.forges.forge import ForgeError, shortened
from reconciler.forges.http import Answer, NoAnswer, exchange
from reconciler.model import bounds
from reconciler.model.errors import SecretUnavailable, TunnelwrightError
from reconciler.model.isolation import attempt
from reconciler.model.secret import Secret, redacted

Shape = TypeVar("Shape")
_TRIES = 3
_FIRST_WAIT = 0.5
_HOST = r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?"
_PER_PAGE = 100
"""What GitHub and GitLab give at most."""
_HINTS = {
    401: "the token is wrong or has expired",
    403: "the token lacks a permission for that",
    404: "the project, commit or request does not exist, or the token may not read it",
}


class _Header(requests.auth.AuthBase):
    """The token in a header. As `auth` it also keeps a ~/.netrc from replacing it."""

    def __init__(self, name: str, prefix: str, token: Secret) -> None:
        self._name = name
        self._prefix = prefix
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._prefix + self._token.reveal().decode("ascii")
        return request


class Api:
    """One API under one address.

    Raises SecretUnavailable for a token that no header can carry.
    """

    def __init__(
        self,
        base: str,
        token: Secret,
        *,
        header: str = "Authorization",
        prefix: str = "",
        accept: str = "application/json",
    ) -> None:
        # requests would name the value in its exception.
        if not token or not all(0x21 <= byte <= 0x7E for byte in token.reveal()):
            raise SecretUnavailable("the forge's token is not one line of visible ASCII characters")
        self.base = base.rstrip("/")
        self._host = urlsplit(base).netloc
        self._auth = _Header(header, prefix, token)
        self._accept = accept

    def get(self, path: str, shape: type[Shape], **parameters: str | int) -> Shape:
        """What stands at a path below the base. Raises ForgeError."""
        return _shaped(shape, self._ask("GET", self.base + path, parameters), self._host)

    def pages(self, path: str, shape: type[Shape], **parameters: str | int) -> list[Shape]:
        """All pages of a list, in order. Raises ForgeError."""
        found: list[Shape] = []
        end = time.monotonic() + bounds.FORGE_LIST_SECONDS
        room = bounds.FORGE_LIST
        for page in range(1, bounds.FORGE_PAGES + 1):
            answer = self._ask("GET", self.base + path, {**parameters, "per_page": _PER_PAGE, "page": page})
            found += _shaped(list[shape], answer, self._host)  # type: ignore[valid-type]  # made at run time
            room -= len(answer.content)
            # The address of the next page is not asked: it could lead elsewhere.
            if not answer.has_next:
                return found
            if room < 0 or time.monotonic() > end:
                break
        raise ForgeError(
            f"{self._host}: {path} has more than {bounds.FORGE_PAGES} pages or {bounds.FORGE_LIST} bytes, "
            f"or takes more than {bounds.FORGE_LIST_SECONDS:g} s"
        )

    def send(self, method: str, path: str, body: dict[str, str], *, again: bool = True) -> None:
        """Send an object to a path below the base. `again` says that doing it twice does no harm.

        Raises ForgeError.
        """
        self._ask(method, self.base + path, {}, body, again=again)

    def query(self, address: str, query: str, shape: type[Shape]) -> Shape:
        """Ask a GraphQL address of the same host. Raises ForgeError."""
        return _shaped(shape, self._ask("POST", address, {}, {"query": query}), self._host)

    def _ask(
        self,
        method: str,
        address: str,
        parameters: dict[str, str | int],
        body: dict[str, str] | None = None,
        *,
        again: bool = True,
    ) -> Answer:
        with Deadline(bounds.FORGE_SECONDS) as deadline:
            tried = 1
            while True:
                try:
                    answer = self._once(method, address, parameters, body, deadline)
                    if 200 <= answer.status < 300:
                        return answer
                    raise self._refusal(method, address, answer, again=again)
                except ForgeError as error:
                    asked = error.retry_after
                    pause = _FIRST_WAIT * 2 ** (tried - 1) if asked is None else asked
                    if not error.retryable or tried == _TRIES or pause > deadline.left():
                        raise
                time.sleep(pause)
                tried += 1

    def _once(
        self,
        method: str,
        address: str,
        parameters: dict[str, str | int],
        body: dict[str, str] | None,
        deadline: Deadline,
    ) -> Answer:
        def work() -> Answer:
            try:
                return exchange(
                    method,
                    address,
                    deadline,
                    bounds.FORGE_ANSWER,
                    headers={"Accept": self._accept, "User-Agent": "tunnelwright"},
                    auth=self._auth,
                    parameters=parameters,
                    body=body,
                )
            except NoAnswer as error:
                # It has had its time: the notifier asks again later.
                raise ForgeError(f"{self._host} {error}") from None

        answer = attempt("forge", self._host, work)
        if isinstance(answer, TunnelwrightError):
            raise answer
        return answer

    def _refusal(self, method: str, address: str, answer: Answer, *, again: bool) -> ForgeError:
        code, pause = answer.status, _retry_after(answer)
        if code < 400:
            return ForgeError(
                f"{self._host} redirects to {_place(answer)}, to which the token is not sent",
                hint="use the current address of the API and the project",
                status=code,
            )
        said = shortened(redacted(_message(answer)), bounds.FORGE_WORDS)
        return ForgeError(
            f"{self._host} answered {code} to {method} {urlsplit(address).path}{f': {said}' if said else ''}",
            hint=_HINTS.get(code, ""),
            status=code,
            # GitHub says 403 too when there were too many requests, GitLab 409 while another status of the
            # commit is written.
            retryable=code == 429
            or (code == 403 and pause is not None)
            or (again and (code >= 500 or code == 409)),
            retry_after=pause,
        )


def _retry_after(answer: Answer) -> float | None:
    """The seconds that the forge asks for; a date is passed over."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() and len(said) < 9 else None


def _place(answer: Answer) -> str:
    """Where a redirect leads: its host, when that is one."""
    try:
        place = urlsplit(answer.headers.get("Location", "")).netloc
    except ValueError:
        return "an invalid address"
    return place if re.fullmatch(_HOST, place) else "another path"


def _message(answer: Answer) -> str:
    """What a refusal says: all three put it into `message`, GitLab sometimes as an object or as `error`."""
    try:
        body = from_json(answer.content)
        return str((body.get("message") or body.get("error") or "") if isinstance(body, dict) else "")
    except ValueError:
        # It is no JSON, or a number of thousands of digits.
        return ""


def _shaped(shape: type[Shape], answer: Answer, host: str) -> Shape:
    try:
        return TypeAdapter(shape).validate_json(answer.content)
    except ValidationError:
        raise ForgeError(
            f"{host} sent an answer that is not from its API",
            hint="check that the address is that of the API",
            status=answer.status,
        ) from None
