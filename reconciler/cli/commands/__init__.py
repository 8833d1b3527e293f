"""One module for each command: it wires adapters to an operation and reports what comes of it."""
