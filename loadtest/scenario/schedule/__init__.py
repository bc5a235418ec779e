"""When messages are due: rates, curves and arrivals, as arithmetic on the index of a message."""
