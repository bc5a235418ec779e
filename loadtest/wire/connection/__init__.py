"""A connection to the broker on the gevent hub: stream, channel, and calls that wait for an answer."""
