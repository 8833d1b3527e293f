"""A lab of real routers in containers: built from a Fabric, proven with captured ESP packets."""
