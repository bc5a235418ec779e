"""The report of a run: terminal, Markdown, JUnit, CSV, HdrHistogram files, page."""
