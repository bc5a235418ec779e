"""Which deliveries are refused: exact shares, whatever the runs in which they come."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.clients.deliveries.refusal_policy import KEPT, RefusalPolicy
from loadtest.scenario.values import Refusal, RefusedOf


def refusal(share: str, of: RefusedOf = "deliveries") -> Refusal:
    """Return a refusal by Basic.Nack."""
    return Refusal("nack", Fraction(share), requeue=True, of=of)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    first=st.fractions(0, Fraction(1, 2), max_denominator=1000).filter(bool),
    second=st.fractions(0, Fraction(1, 2), max_denominator=1000).filter(bool),
    runs=st.lists(st.integers(1, 50), max_size=20),
)
def test_shares_are_exact_however_deliveries_are_read(first: Fraction, second: Fraction, runs: list[int]) -> None:
    """Of n deliveries so many are refused as their shares say, rounded down together; each by its own share."""
    refusing = RefusalPolicy([refusal(str(first)), refusal(str(second))])
    places = np.concatenate([refusing.of_deliveries(length) for length in runs] or [np.zeros(0, np.int64)])
    whole = RefusalPolicy([refusal(str(first)), refusal(str(second))]).of_deliveries(sum(runs))
    refused = int(sum(runs) * (first + second))

    assert places.tolist() == whole.tolist()
    assert (places != KEPT).sum() == refused
    assert (places == 1).sum() == int(refused * second / (first + second))


def test_messages_are_chosen_by_seq() -> None:
    """Each hundredth message, wherever it stands and however often it comes."""
    refusing = RefusalPolicy([refusal("1/100", of="messages")])
    seqs = np.array([98, 99, 100, 199, 99, 10**12 + 99])

    assert (refusing.of_messages(seqs) != KEPT).tolist() == [False, True, False, True, True, True]
    assert refusing.by_message


@pytest.mark.parametrize("share, chosen", [("1", 7), ("1/1000000", 0)])
def test_ends_of_the_scale(share: str, chosen: int) -> None:
    """All of them, and one of a million."""
    assert (RefusalPolicy([refusal(share)]).of_deliveries(7) != KEPT).sum() == chosen
