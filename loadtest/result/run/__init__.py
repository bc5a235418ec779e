"""The result of a run: its document, figures, thresholds, findings and verdict."""
