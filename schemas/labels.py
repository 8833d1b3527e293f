"""What labels look like (Kubernetes, "Labels and Selectors"). Without pydantic, for the command line."""

_LABEL = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
LABEL_KEY = f"^([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_LABEL}$"
LABEL_VALUE = f"^({_LABEL})?$"
