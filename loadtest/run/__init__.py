"""One run from a prepared broker to written results: its controller, its workers, its session."""
