"""The result of a search for a capacity."""
