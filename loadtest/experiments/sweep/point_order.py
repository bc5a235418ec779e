"""
In which order the points of a sweep are run: each round runs all of them once, in an order drawn anew by a seed.

So what changes with time (a machine that warms up, a neighbour that comes) is spread over the points, and does not look
like an effect of what is varied. Rounds rather than all repeats of a point in a row, for the same reason.
"""

from __future__ import annotations

import numpy as np


def order_of_round(number: int, points: int, seed: int) -> list[int]:
    """Return the places of all *points* in the order in which round *number* runs them; the same for the same seed."""
    order: list[int] = np.random.default_rng([seed, number]).permutation(points).tolist()
    return order
