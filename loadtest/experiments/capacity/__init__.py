"""Capacity: the highest rate that a broker sustains within what is asked of it."""
