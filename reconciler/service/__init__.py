"""Reconcile runs: routers follow a repository, once or for as long as the service runs."""
