"""What a run means: document, thresholds, findings, verdict. Pure: no broker, no files."""
