"""The report of a comparison: terminal, Markdown, JUnit, page."""
