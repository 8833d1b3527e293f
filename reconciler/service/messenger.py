"""Sends one message to its service in a separate process.

Over a hundred kinds of services are spoken by plugins of Apprise, each to a host that answers as it likes:
without end, a byte now and then, or never. What they do to time and memory, they do to that process.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import dataclass

from reconciler.doors.processes import ChildFailed, ChildLate, finished, minimal
from reconciler.model import bounds
from reconciler.model.errors import TunnelwrightError
from reconciler.model.extras import require
from reconciler.model.secret import Secret
from reconciler.service.receiver import receiver

_NOT_TAKEN, _NO_URL = 3, 4
_ENVIRONMENT = (
    *("HOME", "PYTHONPATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
"""What the process gets of this one's variables, beside the minimum: nothing that holds a secret of ours."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to one Apprise URL. `kind` is a type of Apprise's: failure, warning, info, success."""

    url: Secret
    title: str
    body: str
    kind: str


def hand_over(message: Message, seconds: float) -> None:
    """Send a message, within so many seconds.

    Raises ExtraMissing, and TunnelwrightError when it cannot be sent; it and its words hold nothing of the
    URL.
    """
    require("messages")
    try:
        done = finished(
            # Without -P a module of the working directory would be taken for one of ours.
            [sys.executable, "-P", "-m", "reconciler.service.messenger"],
            _written(message),
            minimal(*_ENVIRONMENT),
            seconds=seconds,
            most=bounds.MESSAGE_WORDS,
        )
    except ChildLate:
        raise TunnelwrightError(f"the service did not accept the message within {seconds:g} s") from None
    except ChildFailed as error:
        raise TunnelwrightError(f"the message was not sent: {error.message}") from None
    if done.status == 0:
        return
    if done.status == _NO_URL:
        raise TunnelwrightError("the file does not contain an Apprise URL", hint="such as json://host/path")
    if done.status == _NOT_TAKEN:
        raise TunnelwrightError("the service did not accept the message")
    raise TunnelwrightError(f"the message was not sent: its process ended with {done.status}")


def _written(message: Message) -> bytes:
    """A message as the process gets it."""
    url = message.url.reveal().decode(errors="replace")
    return json.dumps([url, message.title, message.body, message.kind]).encode()


def _read(text: bytes) -> Message:
    url, title, body, kind = json.loads(text)
    return Message(Secret(url.encode()), title, body, kind)


def main() -> int:
    """Send the message that comes over standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (bounds.MESSAGE_MEMORY, bounds.MESSAGE_MEMORY))
    import apprise  # noqa: PLC0415 - 300 ms, with its plugins, that only this process needs

    message = _read(sys.stdin.buffer.read())
    try:
        service = receiver(message.url)
    except TunnelwrightError:
        return _NO_URL
    sent = service.notify(
        title=message.title,
        body=message.body,
        notify_type=apprise.NotifyType(message.kind),
        # Plain text: no service takes what routers and commits say for markup.
        body_format=apprise.NotifyFormat.TEXT,
    )
    return 0 if sent else _NOT_TAKEN


if __name__ == "__main__":
    sys.exit(main())
