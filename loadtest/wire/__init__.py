"""How messages travel: AMQP frames in bulk, pure numpy, and a pika connection on the gevent hub."""
