"""The doors of this process: children, HTTP, files of its own. Each is bounded."""
