"""`ack: every N` on runs: the same acks as message by message."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.clients.deliveries.acknowledger import AckPolicy


@settings(derandomize=True, max_examples=200, deadline=None)
@given(every=st.integers(1, 7), runs=st.lists(st.integers(1, 20), max_size=20))
def test_acks_fall_on_every_nth_delivery_however_they_are_read(every: int, runs: list[int]) -> None:
    """Runs of any length give acks at exactly the N-th, 2N-th, … delivery, and the rest is known."""
    acks = AckPolicy(every)
    due: list[int] = []
    tag = 1
    for length in runs:
        tags = np.arange(tag, tag + length, dtype=np.uint64)
        tag += length
        if length == 1:
            due += tags.tolist() if acks.is_due(int(tags[0])) else []
        else:
            due += acks.due(tags).tolist()
    total = tag - 1

    assert due == list(range(every, total + 1, every))
    assert acks.rest() == (total if total % every else None)
    assert acks.rest() is None
