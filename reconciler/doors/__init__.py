"""The doors of this process: child processes, HTTP, its own files. Each is bounded."""
