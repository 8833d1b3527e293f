"""Fabric and keys -> what each router holds; what it holds -> what would be observed. Pure."""
