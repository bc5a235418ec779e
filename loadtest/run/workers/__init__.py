"""The processes of a run: the clients of this one, those of others, and which of them does what."""
