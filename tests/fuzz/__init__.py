"""Generators of whatever may come from outside, for tests of every decoder."""
