"""The grammar of scenarios: models of what a file may hold, and the types of its values."""
