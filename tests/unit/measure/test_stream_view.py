"""What a consumer of a stream was given, by offset, and what lies before and behind it."""

from __future__ import annotations

import pytest

from loadtest.measure.ledger.stream_view import StreamView, joined


@pytest.mark.parametrize(
    "spans, before, end, is_first, unread, ahead",
    [
        ([(400, 799)], 0, 800, False, 400, 0),
        ([(400, 599)], 0, 800, False, 400, 200),
        ([(500, 599), (700, 799)], 100, 800, False, 500, 0),
        ([(0, 799)], 0, 800, True, 0, 0),
        ([(0, 399)], 0, 800, True, 0, 400),
        ([], 0, 800, False, 800, 800),
        ([], 100, 800, True, 0, 700),
        ([(50, 99)], 100, 100, False, 0, 0),
        ([(400, 799)], 0, None, False, 400, 0),
    ],
    ids=["late", "late, and not at its end", "came back", "first", "first, and behind", "nothing came",
         "nothing of all", "older ones only", "end not known"],
)  # fmt: skip
def test_what_lies_before_and_behind(
    spans: list[tuple[int, int]], before: int, end: int | None, *, is_first: bool, unread: int, ahead: int
) -> None:
    """Unread lies before a start, or between two; ahead is what the stream holds behind the last that came."""
    view = StreamView(spans, before, end, is_first=is_first)

    assert (view.unread, view.ahead) == (unread, ahead)


def test_a_filtered_stream_may_hold_back_anything() -> None:
    """Nobody knows what the broker filtered out, so any of it may be unread."""
    assert StreamView([(0, 99)], 0, 100, is_filtered=True).unread == 100


def test_spans_that_touch_are_one() -> None:
    """A subscription that was cut in windows is one span again."""
    assert joined([(10, 19), (0, 4), (5, 9), (30, 31)]) == [(0, 19), (30, 31)]
