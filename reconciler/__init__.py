"""Reconciles strongSwan routers with the IPsec tunnels that a Git repository desires."""
