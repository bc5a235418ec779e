"""
The generator measured: against other generators on one broker, against a broker that costs nothing, and by itself.

`python -m bench` runs works over rounds and writes docs/benchmarks.md; `python -m bench.micro` times the hot paths.
Timed statements live here and in its documents, never in tests.
"""
