"""
The knee of a throughput-latency curve: the rate beyond which latency grows faster than the rate does.

Where rate / latency, Kleinrock's *power*, is highest. Up to there more rate costs less than as much more latency. It
needs no scale and no sensitivity to be set, as curvatures do, and few points. Source: Kleinrock 1979, "Power and
deterministic rules of thumb for probabilistic problems in computer communications"; Jain 1991, "The Art of Computer
Systems Performance Analysis", section 3.3. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LEAST_POINTS: Final = 4
LEAST_RISE: Final = 3.0
"""Times the latency at the knee, beyond it: less is not told from noise, which moves a p99 by as much."""


def knee_of(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """
    Return rate and latency of the knee; None where there is none to be seen.

    Several tries of about the same rate are told apart by nothing but noise, so latencies are smoothed: the nearest
    curve that never falls as the rate rises (isotonic regression, of logarithms).

    Args:
        points: Rate and latency of each try, in any order; both above 0.
    """
    if len({rate for rate, _ in points}) < LEAST_POINTS:
        return None
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import isotonic_regression  # noqa: PLC0415  # half a second, for what comes once a search

    told = sorted(points)
    rates = np.array([rate for rate, _ in told])
    smooth = np.exp(isotonic_regression(np.log([latency for _, latency in told])).x)
    # Of equal powers the highest rate: on a level stretch that is its end.
    power = rates / smooth
    place = int(np.flatnonzero(power >= power.max() * (1 - 1e-9))[-1])
    is_inside = rates[0] < rates[place] < rates[-1]
    if not is_inside or smooth[-1] < LEAST_RISE * smooth[place]:
        return None
    return float(rates[place]), float(smooth[place])
