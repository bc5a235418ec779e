"""Load testing and benchmarking for RabbitMQ (AMQP 0-9-1)."""
