"""Events and results as JSON objects, and back: one module for each thing that is told. Pure."""
