"""The types of the domain: frozen values without I/O, shared by all rooms."""
