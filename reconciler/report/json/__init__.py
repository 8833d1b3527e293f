"""Events and results as JSON objects, and back: one module for each group of types. Pure."""
