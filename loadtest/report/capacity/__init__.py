"""The report of a search for a capacity: terminal, Markdown, JUnit, page."""
