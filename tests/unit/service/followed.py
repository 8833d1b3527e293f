"""A remote repository with two sites, routers in memory, and a reconciler that takes the one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import git

from reconciler.history.kept import Kept
from reconciler.load import load_tree
from reconciler.model.errors import RouterUnreachable
from reconciler.model.record import RunRecord
from reconciler.model.router_config import InterfaceAddress
from reconciler.operations.apply import apply
from reconciler.operations.observed_plan import observed_plan
from reconciler.routers.fleet import Fleet
from reconciler.routers.protocol import Router
from reconciler.secrets import SecretStore
from reconciler.service.dependencies import Dependencies
from reconciler.service.loop import Service
from reconciler.service.repository import FollowedRepository
from reconciler.validate import validate
from tests.allowed import ALLOWED
from tests.documents import ENDS, SITE, TUNNEL, WAN, document
from tests.memory import MemoryRouter, Network
from tests.odd import OddRouter, Twists
from tests.repositories import new_repository

KEY = "PLANTED-0f3c2b8e9a7d6c5b4a39281706f5e4d3"
KEYED = f"{TUNNEL}    key: {{{{env: KEY}}}}\n  ipsec: {{{{pfs: dh-group14}}}}\n"
"""A tunnel with its key and a policy."""

VIP = InterfaceAddress("eth0", "203.0.113.11/24")
"""That of the tunnel at paris."""


def alone(text: str) -> str:
    """A tunnel whose other end is not in the same desired state."""
    return text.replace("  peer:\n", "  peer:\n    managed: false\n")


@dataclass(slots=True)
class Followed:
    """The repository, the routers, and what the reconciler has reported."""

    folder: Path
    repository: git.Repo
    network: Network = field(default_factory=Network)
    routers: dict[str, MemoryRouter] = field(default_factory=dict)
    unplugged: dict[str, str] = field(default_factory=dict)
    twists: dict[str, Twists] = field(default_factory=dict)
    records: list[RunRecord] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def tree(self) -> Path:
        """Where the desired state is written."""
        return Path(self.repository.working_dir) / "desired_state"

    def commit(self, files: dict[str, str | None]) -> str:
        """Write (or, None, remove) files and commit; the commit's id."""
        self.tree.mkdir(exist_ok=True)
        for name, text in files.items():
            if text is None:
                (self.tree / name).unlink()
            else:
                (self.tree / name).write_text(text)
        self.repository.git.add("--all")
        self.repository.git.commit("--message", "change", "--allow-empty")
        return str(self.repository.head.commit.hexsha)

    def edit(self, name: str, old: str, new: str) -> str:
        """Change a file and commit it."""
        text = (self.tree / name).read_text()
        assert old in text
        return self.commit({name: text.replace(old, new)})

    def store(self) -> SecretStore:
        """The one key that all tunnels share, and the next one."""
        return SecretStore(self.folder / "secrets", {"KEY": KEY, "NEXT": f"the next {KEY}", **ALLOWED})

    def connect(self, name: str) -> Router:
        """A router, unless it is unplugged."""
        self.asked.append(name)
        if name in self.unplugged:
            raise RouterUnreachable(self.unplugged[name], router=name)
        return OddRouter(self.routers[name], self.twists.get(name, {}))

    @property
    def fleet(self) -> Fleet:
        """All routers."""
        return Fleet(self.connect)

    def apply_foreign(self, *texts: str) -> None:
        """What was configured by hand at routers that the repository does not have."""
        folder = self.folder / f"foreign{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"{number}.yaml").write_text(alone(text))
        fabric, found = validate(load_tree(folder))
        assert not found.errors
        apply(observed_plan(fabric, self.store(), self.fleet), self.fleet, timeout=0.1)

    def spis(self) -> list[str]:
        """What the running CHILD_SAs at paris receive by."""
        sas = self.routers["paris"].vici.sas
        return [child["spi-in"] for sa in sas for child in sa.listed()["child-sas"].values()]

    def service(self, **dependencies: Any) -> Service:
        """A reconciler that begins with what is in its folder."""

        wired = Dependencies(
            repository=FollowedRepository(
                self.folder / "state" / "repository.git",
                str(self.repository.working_dir),
                "main",
                "desired_state",
            ),
            history=Kept(self.folder / "state" / "history.db"),
            store=self.store(),
            fleet_of=lambda _: self.fleet,
            timeout=0.1,
            **dependencies,
        )
        return Service(wired, 3600, 0, self.records.append)

    def once(self, **dependencies: Any) -> RunRecord:
        """One run of a new reconciler process."""
        return self.service(**dependencies).once()


def followed(folder: Path, *, managed: tuple[str, ...] = ("paris", "tokyo")) -> Followed:
    """Two bare routers; a repository with the sites that are `managed` and a tunnel between them."""
    repository = new_repository(folder / "remote")
    found = Followed(folder, repository)
    for name, me, _, _ in ENDS:
        addresses = [("eth0", f"203.0.113.{me}/24"), ("eth1", f"10.{me}.0.1/24")]
        own = [InterfaceAddress(interface, cidr) for interface, cidr in addresses]
        found.routers[name] = MemoryRouter(name, found.network, own)
    files: dict[str, str | None] = {"wan.yaml": WAN}
    for name in managed:
        tunnel = document(KEYED, name)
        files |= {
            f"{name}.yaml": document(SITE, name),
            f"{name}-tunnel.yaml": tunnel if len(managed) > 1 else alone(tunnel),
        }
    found.commit(files)
    return found
