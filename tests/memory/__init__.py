"""Routers in memory, with charon's rules and VICI's limits; held to real ones by tests/contract."""

from tests.memory.charon import Charon
from tests.memory.host import MemoryHost
from tests.memory.network import Network
from tests.memory.router import MemoryRouter

__all__ = ["Charon", "MemoryHost", "MemoryRouter", "Network"]
