"""Everything that reads live routers."""
