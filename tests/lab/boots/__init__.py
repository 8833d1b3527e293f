"""Debian with systemd in a virtual machine, in the place of a router of the lab: it can lose its power."""
