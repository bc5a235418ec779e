"""Private nodes and clusters: RabbitMQ servers that are started for a run, on the loopback address only."""
