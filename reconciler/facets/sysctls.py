"""Kernel settings without which a tunnel is up and carries nothing (spec section 5)."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.fabric import DesiredRouter

_OFF = frozenset({"0"})
# 1 (strict) drops decrypted packets whose route back is not the interface they came from; 0 and 2
# (loose) do not. The kernel uses the larger of `all` and the interface (ip-sysctl.rst).
_NOT_STRICT = frozenset({"0", "2"})


def compile_sysctls(router: DesiredRouter) -> dict[str, frozenset[str]]:
    """Key below /proc/sys to the values that will do, the one to set being the largest."""
    scopes = ["all", *(attachment.interface for attachment in (*router.public, *router.vpc))]
    wanted = {"net/ipv4/ip_forward": frozenset({"1"})}
    for scope in scopes:
        wanted[f"net/ipv4/conf/{scope}/send_redirects"] = _OFF
        wanted[f"net/ipv4/conf/{scope}/accept_redirects"] = _OFF
        wanted[f"net/ipv4/conf/{scope}/rp_filter"] = _NOT_STRICT
    return wanted


def wrong(
    desired: Mapping[str, frozenset[str]], live: Mapping[str, str]
) -> tuple[tuple[str, str | None, str], ...]:
    """(key, live value or None, value to set) for each setting that will not do."""
    return tuple(
        (key, live.get(key), max(allowed))
        for key, allowed in sorted(desired.items())
        if live.get(key) not in allowed
    )
