"""Who makes the load: publishers, consumers and getters, the Locust users around them, and the conductor of a run."""
