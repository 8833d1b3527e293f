"""How a router is reached: one small protocol, and the adapters that speak it."""
