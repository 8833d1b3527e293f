"""One router in memory: a charon and a host that share its name and its fate."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from reconciler.facets import files as swanctl_files
from reconciler.model.router_config import InterfaceAddress
from reconciler.model.swanctl import Settings, plain
from reconciler.routers.protocol import Closing
from tests.memory.charon import Charon
from tests.memory.host import MemoryHost
from tests.memory.network import Network, Sa


class MemoryRouter(Closing):
    """A router on a network in memory; satisfies `reconciler.routers.protocol.Router`."""

    def __init__(self, name: str, network: Network, addresses: Iterable[InterfaceAddress] = ()) -> None:
        self.name = name
        self.vici = Charon(name, network)
        self.host = MemoryHost(name, addresses, network.ping)
        self.host.reload, self.host.running = self._reload, self._running
        self._network = network
        network.routers.append(self)

    def close(self) -> None:
        """Nothing is held."""

    def power(self, *, on: bool) -> None:
        """Switch the whole router off or on; nothing is lost by it."""
        self.vici.up = self.host.up = on

    def restart_charon(self) -> None:
        """Lose what VICI loaded and every SA, then load the files, as charon's systemd unit does."""
        self.vici.ends()
        for sa in list(self.vici.sas):
            self._network.forget(sa)
        self._load()

    def _running(self) -> frozenset[int]:
        return frozenset(number for sa in self.vici.sas for number in _numbers(sa))

    def _reload(self, changed: frozenset[str], old: frozenset[int]) -> None:
        """As swanctl --load-all does, after which new SAs of connections that were changed end."""
        self._load()
        for sa in list(self.vici.sas):
            if sa.connection in changed and not _numbers(sa) <= old:
                self._network.forget(sa)

    def _load(self) -> None:
        self.vici.connections, self.vici.shared = {}, {}
        for name, file in self.host.files.items():
            if not name.endswith(".conf"):
                continue
            parsed = swanctl_files.parse(file.content.reveal()) or {}
            self.vici.connections.update(_section(parsed, "connections"))  # type: ignore[arg-type]  # dicts of dicts
            for secret_id, body in _section(parsed, "secrets").items():
                if isinstance(body, dict):
                    owners = [value for key, value in body.items() if key.startswith("id")]
                    data = base64.b64decode(str(body["secret"]).removeprefix("0s"))
                    message = {"id": secret_id, "type": "ike", "data": data, "owners": owners}
                    self.vici.shared[secret_id] = message


def _numbers(sa: Sa) -> frozenset[int]:
    return frozenset({sa.number, *(child.number for child in sa.children)})


def _section(parsed: Settings, name: str) -> dict[str, object]:
    section = plain(parsed).get(name)
    return section if isinstance(section, dict) else {}
