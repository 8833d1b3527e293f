"""What people and programs read: plans, outcomes, status and diagnostics as text or JSON. Pure."""
