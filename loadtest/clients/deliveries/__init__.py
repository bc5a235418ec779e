"""What consumers and getters do with what they take: verify it, work on it, and answer it."""
