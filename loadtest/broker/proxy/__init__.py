"""
The network between the generator and the broker, as a TCP proxy that can be slowed and cut.

A program of its own (`python -m loadtest.broker.proxy`), so that it takes nothing from the loop that measures;
`broker.faults.network` starts it and gives it commands. Knows bytes and instants; no AMQP, and nothing that takes long to import.
"""
