"""Questions and orders over AMQP before and after a run: reach, topology, depths of streams."""
