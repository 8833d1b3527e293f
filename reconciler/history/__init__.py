"""What runs did, kept beside the reconciler. Git and the routers are the truth: no tunnel hangs on it."""
