"""What may be done of a plan, and when: limits that the repository sets itself. Pure."""
