"""The `priority` of children: by it one end of a tunnel holds back while the other one switches. Pure.

A CHILD_SA that is no rekeying is used for sending at once by the end that installs it first, before its peer
can receive on it (child_create.c): with IKEv2 by the end that answers, with IKEv1 by the end that initiates.
On the kernel's data plane charon's outbound policies name their SA, and of several CHILD_SAs with one policy
charon installs the one with the least priority number, among equals the newest (kernel_netlink_ipsec.c,
policy_entry_t.used_by). So if the new child of that end has a number that is one greater than that of the
running one, the end goes on with the old SA until that is deleted, while it receives on both. The userspace
data plane (kernel-libipsec) knows no priorities.

charon does not report the number: the router's own file has the one that was loaded last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from reconciler.model.router_config import Pair
from reconciler.model.swanctl import Settings
from schemas.addresses import prefix_length

KEY: Final = "priority"

_BASE = 400_000
_STEP = 512
"""What one bit of a prefix is worth (kernel_netlink_ipsec.c, get_priority). Numbers of one tunnel stay within
it, so they never put a policy before or behind one whose selectors are wider or narrower."""


def automatic(pair: Pair) -> int:
    """The number that charon gives the policy of two networks, of every protocol and port, where the child
    has none."""
    return _BASE - _STEP * sum(map(prefix_length, pair)) - 1


def is_priority(path: str) -> bool:
    """Whether a dotted path of a connection is that of a child's priority."""
    return path.startswith("children.") and path.endswith(f".{KEY}")


def without(settings: Settings) -> Settings:
    """A connection whose children have no number."""
    return _with(settings, lambda _, __: None)


def kept(settings: Settings, written: Settings | None) -> Settings:
    """A desired connection with the numbers that the router's file has, child by child: they are none of
    Git's. A number that no switch can have led to is not kept."""
    children = dict(_children(written))

    def number(name: str, section: Settings) -> int | None:
        found = _number(children[name]) if name in children else None
        return found if found is not None and found in _allowed(section) else None

    return _with(settings, number)


def raised(settings: Settings, written: Iterable[Settings]) -> Settings:
    """A desired connection whose children come behind the running ones of the same networks: all of them,
    since with IKEv1 charon sets up anew also a child that has not changed. `written` is what the router's
    files say of all that runs. A child that has no number left starts over: that switch may cost packets.

    A child whose networks change comes behind nothing. charon gives a reqid to each set of networks, and an
    inbound policy names one: while the old one stands, all that comes by the new SA is refused
    (XfrmInTmplMismatch).
    """
    running = [section for connection in written for _, section in _children(connection)]

    def number(_: str, section: Settings) -> int | None:
        sets = tuple(map(frozenset, _networks(section)))
        same = [item for item in running if tuple(map(frozenset, _networks(item))) == sets]
        if not same:
            return _number(section)
        allowed = _allowed(section)
        numbers = [_number(item) for item in same]
        behind = 1 + max(allowed.start - 1 if found is None else found for found in numbers)
        return behind if behind in allowed else None

    return _with(settings, number)


def _allowed(section: Settings) -> range:
    """The numbers that a child may have: behind charon's own for its widest networks."""
    own, other = (min(networks, key=prefix_length, default="/0") for networks in _networks(section))
    widest = automatic((own, other))
    return range(widest + 1, widest + _STEP)


def _with(settings: Settings, number: Callable[[str, Settings], int | None]) -> Settings:
    """The connection with these numbers; itself where it has them."""
    children = {
        name: {
            **{key: value for key, value in section.items() if key != KEY},
            **({KEY: str(found)} if (found := number(name, section)) is not None else {}),
        }
        for name, section in _children(settings)
    }
    return settings if children == settings["children"] else {**settings, "children": children}


def _children(settings: Settings | None) -> Iterator[tuple[str, Settings]]:
    children = settings.get("children") if settings is not None else None
    if isinstance(children, Mapping):
        for name, section in children.items():
            if isinstance(section, Mapping):
                yield name, section


def _number(section: Settings) -> int | None:
    """What a child has; None where that is no number of charon's (32 bits)."""
    text = section.get(KEY)
    return int(text) if isinstance(text, str) and re.fullmatch("[0-9]{1,10}", text) else None


def _networks(section: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The networks of both sides of a child."""
    local, remote = section.get("local_ts"), section.get("remote_ts")
    return (local if isinstance(local, tuple) else ()), (remote if isinstance(remote, tuple) else ())
