"""The run under Locust: listeners, users, messages between processes, Locust's own statistics."""
