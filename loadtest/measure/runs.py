"""
Runs: a series of integers, in order, as [first, count, step] each.

What Get-Oks say of the messages left falls by one from message to message, so a backlog of any size is one run.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

Run = list[int]


def runs_of(numbers: Sequence[int]) -> list[Run]:
    """Return *numbers* as runs of constant step; a number that stands alone is [number, 1, 0]."""
    series = np.array(numbers, dtype=np.int64)
    runs: list[Run] = []
    taken = 0
    if len(series) > 1:
        steps = np.diff(series)
        heads = np.concatenate(([0], np.flatnonzero(np.diff(steps)) + 1, [len(steps)])).tolist()
        for head, end in itertools.pairwise(heads):
            # Steps head … end - 1 are equal: they join the numbers head … end, of which the run before may have taken
            # the first.
            start = max(head, taken)
            if start < end:
                runs.append([int(series[start]), end - start + 1, int(steps[head])])
                taken = end + 1
    if taken < len(series):
        runs.append([int(series[taken]), 1, 0])
    return runs


def extend_runs(runs: list[Run], more: Sequence[Run], limit: int) -> int:
    """Append *more* to *runs*, joining where the step goes on; return how many numbers a *limit* of runs left out."""
    left_out = 0
    for first, count, step in more:
        last = runs[-1] if runs else None
        if last is not None and _goes_on(last, first, count, step):
            last[1], last[2] = last[1] + count, first - (last[0] + (last[1] - 1) * last[2])
        elif len(runs) < limit:
            runs.append([first, count, step])
        else:
            left_out += count
    return left_out


def _goes_on(last: Run, first: int, count: int, step: int) -> bool:
    gap = first - (last[0] + (last[1] - 1) * last[2])
    return (last[1] == 1 or last[2] == gap) and (count == 1 or step == gap)
