"""Three sites on real routers, of which the tunnel between A and B is broken by hand."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab.session import Lab
from lab.topology import RELEASES, Role
from reconciler.load import Loaded, load_tree
from reconciler.model.errors import CommandRejected
from reconciler.model.fabric import Fabric
from reconciler.model.swanctl import plain
from reconciler.operations.apply import apply
from reconciler.operations.desired import compile_fabric
from reconciler.operations.diagnose import Diagnosis, diagnose_tunnels
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.docker_router import DockerRouter
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from reconciler.validate import validate
from tests.converged import assert_converged
from tests.lab.repository import ROOT

OURS, THEIRS = "tw-a-to-b", "tw-b-to-a"
EXAMPLE = ROOT / "tests" / "sites"
IKE_DROP = "add rule inet foreign input udp dport { 500, 4500 } counter drop"
ESP = ("meta l4proto esp", "udp dport 4500 @th,64,32 != 0")
"""ESP, bare or in UDP, where four zero bytes begin what is IKE (RFC 3948, section 2.2)."""
IKE = ("udp dport 500", "udp dport 4500 @th,64,32 0")
ESP_DROP = "\n".join(f"add rule inet foreign input {match} drop" for match in ESP)
TABLE = """
table inet foreign {
    chain input { type filter hook input priority 0; }
    chain forward { type filter hook forward priority 0; }
    chain early { type nat hook postrouting priority 80; }
}
"""


@dataclass(slots=True)
class Bench:
    """Three sites with their keys; the tunnel between A and B is the one that is broken."""

    lab: Lab
    tree: Path
    keys: Path
    store: SecretStore
    fabric: Fabric
    loaded: Loaded

    def connect(self, name: str) -> Router:
        return DockerRouter(self.fabric.routers[name], self.lab.name, self.lab.links)

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.connect)

    def version(self, router: str) -> tuple[int, ...]:
        """That of its strongSwan."""
        [release] = (node.release for node in self.lab.routers if node.name == router)
        return tuple(map(int, RELEASES[release].split(".")))

    def sh(self, router: str, script: str) -> None:
        self.lab.run(Role.ROUTER, router, ["sh", "-c", script])

    def wire(self, *rules: str) -> None:
        """Let the wire do something to the packets that it forwards between the routers; without rules, no
        more. `{router-a}` in a rule is the wire's port to that router."""
        run = partial(self.lab.run, Role.WIRE, self.lab.name)
        # An empty table is no error when it goes.
        text = "table bridge path {}\ndelete table bridge path\n"
        if rules:
            ports = {node.name: node.ports[0].wire_name for node in self.lab.routers}
            lines = "\n".join(rule.format_map(ports) for rule in rules)
            hook = "type filter hook forward priority 0;"
            text += f"table bridge path {{ chain between {{ {hook}\n{lines}\n}}\n}}\n"
        run(["sh", "-c", f"nft -f - <<'RULES'\n{text}RULES"])

    def nft(self, router: str, rule: str) -> None:
        self.sh(router, f"nft -f - <<'RULES'\n{TABLE}\n{rule}\nRULES")

    def vici(self, router: str, command: str, message: dict[str, Any]) -> None:
        with self.connect(router) as opened:
            opened.vici.request(command, message)

    def load(
        self, change: Callable[[dict[str, Any]], None], router: str = "router-b", name: str = THEIRS
    ) -> None:
        """Load a tunnel end by hand with something changed, over VICI alone."""
        settings: dict[str, Any] = deepcopy(plain(self.desired(router, name).settings))
        change(settings)
        self.vici(router, "unload-conn", {"name": name})
        self.vici(router, "load-conn", {name: settings})

    def child(self, **fields: Any) -> Callable[[dict[str, Any]], None]:
        def change(settings: dict[str, Any]) -> None:
            for section in settings["children"].values():
                section.update(fields)

        return change

    def desired(self, router: str, name: str) -> Any:
        return compile_fabric(self.fabric, self.store)[router].connections[name]

    def load_key(self, key: bytes) -> None:
        secret = self.desired("router-b", THEIRS).secret
        message = {"id": secret.id, "type": "ike", "data": key, "owners": list(secret.owners)}
        self.vici("router-b", "load-shared", message)

    def down(self) -> None:
        """End the tunnel at both ends: an SA that runs hides what it was not negotiated with."""
        for router, name in (("router-a", OURS), ("router-b", THEIRS)):
            opened = DockerRouter(self.fabric.routers[router], self.lab.name, self.lab.links)
            try:
                message = {"ike": name, "force": "yes", "timeout": "1000", "loglevel": "-1"}
                for _ in opened.vici.stream("terminate", "control-log", message):
                    pass
            except CommandRejected:
                continue
            finally:
                opened.close()

    def diagnose(self, *, rekey: bool = False) -> Diagnosis:
        done = diagnose_tunnels(
            self.fabric, self.loaded.documents, self.store, self.fleet, ("a-to-b",), rekey=rekey
        )
        (found,) = done
        return found

    def apply(self) -> None:
        assert_converged(apply(observed_plan(self.fabric, self.store, self.fleet), self.fleet))

    def of_tree(self, tree: Path) -> Bench:
        loaded = load_tree(tree)
        fabric, found = validate(loaded)
        assert not found.errors
        return Bench(self.lab, tree, self.keys, self.store, fabric, loaded)
