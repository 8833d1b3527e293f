"""Files that people have in place of a swanctl.conf -> what they are. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.model.secret import Secret


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is not swanctl.conf."""

    name: str
    hint: str


_IN_SWANCTL = "write its connections in a swanctl.conf, which `swanctl --load-all` accepts, then import that"
_FORMATS = (
    (
        re.compile(r"\{%|\{\{"),
        Format("a template", "import the file that is generated from it"),
    ),
    (
        # ipsec.conf(5): the type and the name of a section begin in the first column.
        re.compile(r"^(?:config[ \t]+setup|(?:conn|ca)[ \t]+[^ \t{}=]+)[ \t]*(?:#.*)?$", re.MULTILINE),
        Format("an ipsec.conf", _IN_SWANCTL),
    ),
    (
        # ipsec.secrets(5): identities, a colon, the type of the secret.
        re.compile(r"^[^#\n{}=]*(?:^|[ \t]):[ \t]*(?:PSK|RSA|ECDSA|EAP|XAUTH|P12)[ \t]", re.MULTILINE),
        Format(
            "an ipsec.secrets", "write its keys in the section `secrets` of a swanctl.conf, then import that"
        ),
    ),
)


def foreign_format(content: Secret) -> Format | None:
    """What a file is that strongSwan cannot read as swanctl.conf; None if that is not known."""
    text = content.reveal().decode(errors="replace")
    return next((known for pattern, known in _FORMATS if pattern.search(text)), None)
