"""One module for each kind of thing that a router holds: how it is compiled, decoded and compared."""
