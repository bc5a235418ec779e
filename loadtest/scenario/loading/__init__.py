"""From a file or a catalogue name to a checked scenario, with every error at its line; and back to YAML."""
