"""Latencies as HdrHistogram counts them."""
