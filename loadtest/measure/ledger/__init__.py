"""The fate of every message: sets of sequence numbers, and what is missing at the end."""
