"""Routers to reconcile: in memory, or real charons in a lab. The contract holds for both."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.engine import until
from reconciler.model.fabric import Fabric
from reconciler.model.outcome import Check
from reconciler.model.router_config import InterfaceAddress, RouterState
from reconciler.model.secret import Secret
from reconciler.model.swanctl import Settings
from reconciler.observe.state import observe_router, read_sas
from reconciler.operations.apply import Applied, apply
from reconciler.operations.observed_plan import ObservedPlan, observed_plan
from reconciler.operations.verify import verify
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router, Vici
from reconciler.secrets import SecretStore
from tests.fabrics import two_routers
from tests.memory import MemoryRouter, Network
from tests.sas import bring_up, take_down

CONNECTION = "tw-paris-tokyo"
FILE = "tw-paris-tokyo.conf"
PSK_VARIABLE = "TUNNELWRIGHT_KEY_LAB"
PSK = 'braces{} quote" hash# back\\slash sp ace é 0s='


REAL = pytest.mark.parametrize(
    "site", [pytest.param(kind, marks=pytest.mark.engine) for kind in ("real", "ssh")], indirect=True
)
"""For what needs time that passes and files that have an owner."""


CHARONS = pytest.mark.parametrize("site", [pytest.param("real", marks=pytest.mark.engine)], indirect=True)
"""For what is a matter of charon alone, however it is reached."""
MEMORY_AND_CHARONS = pytest.mark.parametrize(
    "site", ["memory", pytest.param("real", marks=pytest.mark.engine)], indirect=True
)
"""For what the routers in memory have to do as charon does."""


@dataclass(frozen=True, slots=True)
class Site:
    """A fabric of two routers with the means to reach them and to do them harm."""

    kind: str
    fabric: Fabric
    reach: Callable[[Fabric, str], Router]
    restart_charon: Callable[[str], None]
    delete_address: Callable[[str, InterfaceAddress], None]
    folder: Path
    opened: list[Router] = field(default_factory=list)

    @property
    def real(self) -> bool:
        """Whether time passes and packets flow."""
        return self.kind != "memory"

    def connect(self, name: str) -> Router:
        """One router; closed at the end of the test at the latest."""
        router = self.reach(self.fabric, name)
        self.opened.append(router)
        return router

    @property
    def fleet(self) -> Fleet:
        """Both of them."""
        return Fleet(self.connect)

    def close(self) -> None:
        """Release every router."""
        for router in self.opened:
            router.close()

    def store(self, psk: str = PSK) -> SecretStore:
        """The keys: every tunnel of the fabric uses one."""
        return SecretStore(self.folder, {PSK_VARIABLE: psk})

    def preview(self, fabric: Fabric | None = None, psk: str = PSK) -> ObservedPlan:
        """What would be done now."""
        return observed_plan(fabric or self.fabric, self.store(psk), self.fleet)

    def apply(self, fabric: Fabric | None = None, psk: str = PSK, timeout: float = 10) -> Applied:
        """Make the routers as desired."""
        return apply(self.preview(fabric, psk), self.fleet, timeout=timeout)

    def verify(self, fabric: Fabric | None = None) -> tuple[Check, ...]:
        """Probe the tunnels."""
        return verify(fabric or self.fabric, self.store(), self.fleet)[0]


def memory_site(folder: Path, kernel: Collection[str] = (), fabric: Fabric | None = None) -> Site:
    """The routers of a fabric in memory, bare; without one, two of them. Those of `kernel` have the kernel's
    data plane."""
    fabric, network = fabric or two_routers(), Network()
    routers = {
        name: MemoryRouter(
            name,
            network,
            [
                InterfaceAddress(a.interface, f"{a.address}/24")
                for a in (*fabric.routers[name].public, *fabric.routers[name].vpc)
            ],
        )
        for name in fabric.routers
    }
    for name in kernel:
        routers[name].vici.more_plugins = []
    return Site(
        "memory",
        fabric,
        lambda _, name: routers[name],
        lambda name: routers[name].restart_charon(),
        lambda name, address: routers[name].host.addresses.discard(address),
        folder,
    )


def change_tunnels(fabric: Fabric, **fields: Any) -> Fabric:
    """The fabric with fields of both tunnel ends replaced; `ike__x` and `esp__x` reach into the policies."""
    tunnels = {}
    for name, tunnel in fabric.tunnels.items():
        changed: dict[str, Any] = {}
        for path, value in fields.items():
            policy, _, leaf = path.partition("__")
            section = changed.get(policy, getattr(tunnel, policy))
            changed[policy] = replace(section, **{leaf: value}) if leaf else value
        tunnels[name] = replace(tunnel, **changed)
    return replace(fabric, tunnels=tunnels)


def backwards(settings: Settings) -> Settings:
    """Selectors and children in another order than we have them."""
    turned = {
        key: backwards(value)
        if isinstance(value, Mapping)
        else value[::-1]
        if key in {"local_ts", "remote_ts"} and isinstance(value, tuple)
        else value
        for key, value in settings.items()
    }
    children = turned.get("children")
    if isinstance(children, Mapping):
        turned["children"] = dict(list(children.items())[::-1])
    return turned


def rename_tunnels(fabric: Fabric, names: Mapping[str, str]) -> Fabric:
    """The fabric with tunnels renamed, each knowing what it was called before."""
    tunnels = {}
    for name, tunnel in fabric.tunnels.items():
        now = names.get(name, name)
        tunnels[now] = replace(
            tunnel,
            name=now,
            other_end=names.get(tunnel.other_end or "", tunnel.other_end or ""),
            previous_names=tunnel.previous_names if now == name else (name,),
        )
    return replace(fabric, tunnels=tunnels)


FOREIGN = "office"


def by_hand(site: Site, *, eager: bool = False) -> Fabric:
    """Make the tunnel of converged routers one that was configured by hand, and bring it up; the fabric
    that adopts it. With `eager` charon does so by itself, and again when the tunnel is closed."""
    site.apply()
    for name in ("paris", "tokyo"):
        host = site.connect(name).host
        [(path, content)] = host.read_files("/etc/swanctl/conf.d/tw-*.conf").items()
        text = content.reveal().decode().replace("rekey_time = 86400s", "rekey_time = 9000s")
        text = re.sub(r"tw-\S+ \{", f"{FOREIGN} {{", text, count=1)
        text = re.sub(r"ike-\S+ \{", f"ike-{FOREIGN} {{", text)
        if eager:
            text = re.sub(r"(start|close)_action = \w+", r"\1_action = start", text)
        host.write_files({f"{FOREIGN}.conf": Secret(text.encode())})
        host.remove_files([path.rpartition("/")[2]])
        site.restart_charon(name)
    vici = site.connect("paris").vici
    [connection] = site.preview().desired["paris"].connections.values()
    if eager:
        assert until(lambda: any(sa.children for sa in read_sas(vici, FOREIGN)), 20)
    else:
        # The first router may have brought it up with the other one before that was restarted.
        take_down(vici, FOREIGN)
        bring_up(vici, FOREIGN, connection.children[0])
    other = site.connect("tokyo").vici
    assert until(lambda: _installed(vici) == {spis[::-1] for spis in _installed(other)} != set(), 20)
    return change_tunnels(site.fabric, adopts=FOREIGN)


def _installed(vici: Vici) -> set[tuple[str, str]]:
    """The SPIs of the connection by hand."""
    return {child.spis for sa in read_sas(vici, FOREIGN) for child in sa.children if child.installed}


def state(site: Site, router: str = "paris") -> RouterState:
    return observe_router(site.connect(router), site.preview().desired[router].sysctls)


def spis(site: Site) -> set[tuple[str, str]]:
    sas = state(site).sas_of(CONNECTION)
    return {(child.spi_in, child.spi_out) for sa in sas for child in sa.children}
