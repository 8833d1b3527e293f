"""What differs -> which steps, in which order. Pure."""
