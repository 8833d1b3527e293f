"""Everything that is written, when what it is made of was meant to break it."""
