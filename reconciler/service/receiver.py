"""Where messages go: one Apprise URL."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from reconciler.model.errors import TunnelwrightError
from reconciler.model.extras import require
from reconciler.model.secret import Secret

if TYPE_CHECKING:
    import apprise


def receiver(url: Secret) -> apprise.Apprise:
    """Who is behind an Apprise URL, which may hold a password. Sends nothing.

    Raises ExtraMissing, and TunnelwrightError when it is none; its words hold nothing of the URL.
    """
    require("messages")
    import apprise  # noqa: PLC0415 - 300 ms, with its plugins, that runs without messages need not pay

    # Its log repeats URLs, and what services answer.
    logging.getLogger("apprise").disabled = True
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="tunnelwright", storage_mode="memory"))
    if not service.add(url.reveal().decode(errors="replace")):
        raise TunnelwrightError("the file does not contain an Apprise URL", hint="such as json://host/path")
    return service
