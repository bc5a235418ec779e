"""The report of a sweep: terminal, Markdown, CSV, page."""
