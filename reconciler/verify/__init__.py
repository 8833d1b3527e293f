"""Live routers -> verdicts."""
