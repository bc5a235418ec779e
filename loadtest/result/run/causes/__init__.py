"""What may have caused what a run shows: the first suspects of findings."""
