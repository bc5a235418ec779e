"""Sweeps: a scenario run at every combination of values that are varied, and how its figures depend on them."""
