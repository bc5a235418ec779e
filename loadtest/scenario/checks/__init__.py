"""Whether the parts of a scenario fit together, which no single value can tell."""
