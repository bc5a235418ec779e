"""Locust's web page: so far the start form. Knows Flask and Locust's web UI, not what a run is."""
