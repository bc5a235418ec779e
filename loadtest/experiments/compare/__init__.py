"""Comparisons: variants of a scenario or of its broker run in turns, and what that says of them."""
