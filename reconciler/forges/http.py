"""One HTTP request to a forge, and an error message for it that does not repeat what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import requests

from reconciler.doors.http import Deadline, NotHttp, TooLong, bounded_session
from reconciler.model import bounds


class NoAnswer(Exception):
    """There is no answer that can be used. `str()` says why, and holds nothing that was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: a redirect too, which is not followed."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    has_next: bool
    """Whether a Link header names a next page."""


def exchange(
    method: str,
    address: str,
    deadline: Deadline,
    limit: int,
    *,
    headers: Mapping[str, str],
    auth: requests.auth.AuthBase,
    parameters: Mapping[str, str | int],
    body: Mapping[str, str] | None,
) -> Answer:
    """Send one request, and take at most `limit` bytes of its answer, unpacked.

    Raises NoAnswer.
    """
    try:
        with bounded_session(deadline, limit) as session:
            answer = session.request(
                method,
                address,
                params=parameters,
                json=body,
                headers=headers,
                auth=auth,
                timeout=(bounds.FORGE_CONNECT_SECONDS, bounds.FORGE_SILENCE_SECONDS),
                allow_redirects=False,
            )
            return Answer(answer.status_code, answer.headers, answer.content, "next" in answer.links)
    except (requests.RequestException, OSError, ValueError) as error:
        # Its words and its request may hold headers.
        raise NoAnswer(_reason(error, deadline)) from None


def _reason(error: Exception, deadline: Deadline) -> str:
    if isinstance(error, TooLong):
        return f"answered with {error}"
    if isinstance(error, requests.Timeout) or not deadline.left():
        return "did not answer in time"
    # Before the others: every error of requests is one of OSError.
    if isinstance(error, NotHttp):
        return f"did not send an HTTP answer ({error})"
    if isinstance(error, (requests.ConnectionError, OSError)):
        return "cannot be reached"
    return f"did not send an HTTP answer ({type(error).__name__})"
