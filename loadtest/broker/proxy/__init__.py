"""
The network between the generator and the broker, as a TCP proxy that can be slowed and cut.

A program of its own (`python -m loadtest.broker.proxy`), so that it takes nothing from the loop that measures;
`broker.faults.network` starts it and gives it commands. It works on bytes and instants, knows no AMQP, and imports
nothing that takes long to load.
"""
