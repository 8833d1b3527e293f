"""Routers in memory, with charon's rules and VICI's limits; held to real ones by tests/contract."""

from reconciler.routers.memory.charon import Charon
from reconciler.routers.memory.host import MemoryHost
from reconciler.routers.memory.network import Network
from reconciler.routers.memory.router import MemoryRouter

__all__ = ["Charon", "MemoryHost", "MemoryRouter", "Network"]
