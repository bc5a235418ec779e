"""What a broker and its machine report of themselves while a run lasts."""
