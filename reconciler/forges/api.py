"""Requests to a REST API with a token in a header: bounded in time, retried with care, never redirected."""

from __future__ import annotations

import time
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import TypeAdapter, ValidationError

from reconciler.forges.forge import ForgeError
from reconciler.model.errors import SecretUnavailable
from reconciler.model.secret import Secret

Answer = TypeVar("Answer")
_CONNECT = 5.0
"""Seconds to reach the forge."""
_READ = 10.0
"""Seconds of silence after which an answer is given up."""
_PATIENCE = 20.0
"""Seconds after which nothing is tried again."""
_TRIES = 3
_FIRST_WAIT = 0.5
_PER_PAGE = 100
"""What GitHub and GitLab give at most."""
_PAGES = 100
_SAID = 300
"""Characters of a refusal that are repeated."""
_HINTS = {
    401: "the token is wrong or has expired",
    403: "the token may not do that: see which permissions it has",
    404: "the project, commit or request is not there, or the token may not see it",
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
        self._token = token
        self._accept = accept

    def get(self, path: str, shape: type[Answer], **parameters: str | int) -> Answer:
        """What stands at a path below the base. Raises ForgeError."""
        return _shaped(shape, self._ask("GET", self.base + path, parameters), self._host)

    def pages(self, path: str, shape: type[Answer], **parameters: str | int) -> list[Answer]:
        """All pages of a list, in order. Raises ForgeError."""
        found: list[Answer] = []
        for page in range(1, _PAGES + 1):
            answer = self._ask("GET", self.base + path, {**parameters, "per_page": _PER_PAGE, "page": page})
            found += _shaped(list[shape], answer, self._host)  # type: ignore[valid-type]  # made at run time
            # The address of the next page is not asked: it could lead elsewhere.
            if "next" not in answer.links:
                return found
        raise ForgeError(f"{self._host}: {path} has more than {_PAGES} pages")

    def send(self, method: str, path: str, body: dict[str, str], *, again: bool = True) -> requests.Response:
        """Send an object to a path below the base. `again` says that doing it twice does no harm.

        Raises ForgeError.
        """
        return self._ask(method, self.base + path, {}, body, again=again)

    def query(self, address: str, query: str, shape: type[Answer]) -> Answer:
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
    ) -> requests.Response:
        deadline = time.monotonic() + _PATIENCE
        tried = 1
        while True:
            answer = self._once(method, address, parameters, body)
            if answer.status_code < 300:
                return answer
            pause = _pause(answer, tried, again=again)
            if pause is None or tried == _TRIES or time.monotonic() + pause > deadline:
                raise self._refusal(method, address, answer)
            time.sleep(pause)
            tried += 1

    def _once(
        self, method: str, address: str, parameters: dict[str, str | int], body: dict[str, str] | None
    ) -> requests.Response:
        try:
            return requests.request(
                method,
                address,
                params=parameters,
                json=body,
                headers={"Accept": self._accept, "User-Agent": "tunnelwright"},
                auth=self._auth,
                timeout=(_CONNECT, _READ),
                # Another host would get the token, and a POST would become a GET.
                allow_redirects=False,
            )
        except requests.Timeout:
            raise ForgeError(f"{self._host} did not answer in time") from None
        except requests.ConnectionError:
            raise ForgeError(f"{self._host} cannot be reached") from None
        except requests.RequestException as error:
            # Its words and its request may hold headers.
            raise ForgeError(f"{self._host}: the request failed ({type(error).__name__})") from None

    def _refusal(self, method: str, address: str, answer: requests.Response) -> ForgeError:
        code = answer.status_code
        if code < 400:
            there = urlsplit(answer.headers.get("Location", "")).netloc or "another path"
            return ForgeError(
                f"{self._host} sends on to {there}, where the token is not taken",
                hint="write the address of the API, and the project, as they are now",
                status=code,
            )
        said = _message(answer).replace(self._token.reveal().decode("ascii"), "(redacted)")
        return ForgeError(
            f"{self._host} answered {code} to {method} {urlsplit(address).path}"
            f"{f': {said[:_SAID]}' if said else ''}",
            hint=_HINTS.get(code, ""),
            status=code,
        )


def _pause(answer: requests.Response, tried: int, *, again: bool) -> float | None:
    """Seconds until it may be tried again; None for never. GitHub says 403 too when there were too many
    requests, GitLab 409 while another status of the commit is written."""
    code = answer.status_code
    said = answer.headers.get("Retry-After", "")
    asked = float(said) if said.isdecimal() and len(said) < 9 else None
    if code == 429 or (code == 403 and asked is not None):
        return asked if asked is not None else _FIRST_WAIT * 2 ** (tried - 1)
    if again and (code >= 500 or code == 409):
        return asked if asked is not None else _FIRST_WAIT * 2 ** (tried - 1)
    return None


def _message(answer: requests.Response) -> str:
    """What a refusal says: all three put it into `message`, GitLab sometimes as an object or as `error`."""
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return ""
    said = (body.get("message") or body.get("error")) if isinstance(body, dict) else ""
    return " ".join(str(said or "").split())


def _shaped(shape: type[Answer], answer: requests.Response, host: str) -> Answer:
    try:
        return TypeAdapter(shape).validate_json(answer.content)
    except ValidationError:
        raise ForgeError(
            f"{host} answered something that is not what its API gives",
            hint="is the address that of the API?",
            status=answer.status_code,
        ) from None
