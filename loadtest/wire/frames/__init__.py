"""AMQP frames as bytes: made from templates, recognised in bulk."""
