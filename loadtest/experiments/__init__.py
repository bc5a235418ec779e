"""Runs of a scenario, one after another, that answer a question: comparison, capacity, sweep."""
