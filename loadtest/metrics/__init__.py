"""A run for Prometheus while it goes on: what its records add up to, as metrics, at an address that can be scraped."""
