"""A tunnel's other end as configuration, for strongSwan or a vendor's command line. Pure."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from reconciler.facets.connections import compile_settings, guarded_pairs, selectors, swanctl_id
from reconciler.facets.files.swanctl_conf import quoted, section_lines
from reconciler.facets.secrets import owners
from reconciler.model.fabric import Tunnel
from reconciler.model.secret import Secret
from reconciler.model.visible import visible
from reconciler.report.sheets import SWANCTL
from reconciler.report.sheets.dialects import DIALECTS, PLACEHOLDER
from reconciler.report.sheets.vendor_values import check_showable, vendor_values
from schemas.algorithms import is_aead

if TYPE_CHECKING:
    from jinja2 import Template

_SWANCTL_TITLE = (
    "strongSwan 5.9 or later; a file of mode 0600 in /etc/swanctl/conf.d, then `swanctl --load-all`"
)
# Varies with the key at our end, to distinguish one IKE_SA from the next; the other end does not need that.
_OURS_ALONE = frozenset({"over_time", "rand_time"})


def render(end: Tunnel, form: str, remarks: Iterable[str] = (), key: Secret | None = None) -> Secret:
    """The configuration of `end`, which is a mirrored tunnel, in one of DIALECTS or as SWANCTL.

    Without a key there is a placeholder in its place and the text is no secret. Raises Inexpressible.
    """
    if form == SWANCTL:
        check_showable(end)
        text = _template("swanctl.j2").render(
            end=end,
            head=_head("#", _SWANCTL_TITLE, end, remarks),
            settings={k: v for k, v in compile_settings(end, "0").items() if k not in _OURS_ALONE},
            owners=owners(end),
            secret=PLACEHOLDER if key is None else "0s" + base64.b64encode(key.reveal()).decode(),
        )
        return Secret(text.encode())
    dialect = DIALECTS[form]
    values = vendor_values(end, dialect, key)
    tried = f"{dialect.title}; written from its documentation, not tested on a device"
    text = _template(f"{form}.j2").render(
        end=end,
        head=_head(dialect.comment, tried, end, (*remarks, *values.notes)),
        values=values,
        aead_ike=is_aead(end.ike.encryption),
        pairs=guarded_pairs(end),
        selectors=[(local, remote) for _, local, remote in selectors(end)],
        owners=owners(end),
    )
    return Secret(text.encode())


def _head(comment: str, title: str, end: Tunnel, remarks: Iterable[str]) -> str:
    """The comment at the top: whose it is, and what belongs to it that is no IKE configuration."""
    lines = (
        f"The end {end.vip.address} of the tunnel {end.name}; the other end is {end.peer_address}.",
        f"For {title}.",
        "Replace the text in <...>.",
        f"Let UDP 500, UDP 4500 and ESP (IP protocol 50) in from {end.peer_address}.",
        "Forward between these networks, without source NAT:",
        *(f"  {local} here, {remote} there" for local, remote in guarded_pairs(end)),
        *remarks,
    )
    return "\n".join(visible(f"{comment} {line}") for line in lines)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("reconciler.report.sheets"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration is not HTML; values go through `quoted`
        keep_trailing_newline=True,
    )
    made.filters["quoted"] = quoted
    made.filters["section"] = section_lines
    made.filters["netmask"] = lambda cidr: ipaddress.IPv4Network(cidr).with_netmask.replace("/", " ")
    made.filters["wildcard"] = lambda cidr: ipaddress.IPv4Network(cidr).with_hostmask.replace("/", " ")
    made.filters["swanctl_id"] = swanctl_id
    return made


def _template(name: str) -> Template:
    return _environment().get_template(name)
