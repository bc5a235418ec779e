"""How messages travel: AMQP frames in bulk, pure numpy, and a pika connection on the gevent hub."""

import loadtest.pika_codec  # noqa: F401  # frames are pika's, in both directions
