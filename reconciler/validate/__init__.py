"""Documents -> Fabric, with every finding at its file, line and column. Pure."""

from reconciler.validate.fabric import validate

__all__ = ["validate"]
