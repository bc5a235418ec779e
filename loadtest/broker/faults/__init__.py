"""Faults that a scenario injects into the broker and its network."""
