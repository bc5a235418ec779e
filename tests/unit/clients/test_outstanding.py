"""Outstanding messages: what confirms settle, in every order and grouping that a broker may send them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.clients.outstanding import Outstanding, UnknownDeliveryTagError


def confirms(*answers: tuple[int, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Return a run of confirms as wire hands it on."""
    return np.array([tag for tag, _ in answers], np.int64), np.array([multiple for _, multiple in answers], np.bool_)


def filled(window: int, count: int) -> Outstanding:
    """Return a window with *count* messages in flight, intended at 10, 20, … and sent at 1000."""
    outstanding = Outstanding(window)
    outstanding.add(count, np.arange(1, count + 1) * 10, 1000)
    return outstanding


def test_a_multiple_settles_all_up_to_its_tag() -> None:
    """One confirm with multiple stands for every tag up to it."""
    outstanding = filled(8, 5)

    settled = outstanding.settle(*confirms((3, True)))

    assert settled.all_tags().tolist() == [1, 2, 3]
    assert settled.intended_ns.tolist() == [10, 20, 30]
    assert settled.sent_ns.tolist() == [1000, 1000, 1000]
    assert outstanding.count == 2
    assert outstanding.lowest == 4


def test_a_single_out_of_order_leaves_the_others_open() -> None:
    """A confirm for a later tag settles that one alone, and a repeated one settles nothing."""
    outstanding = filled(8, 5)

    assert outstanding.settle(*confirms((4, False))).all_tags().tolist() == [4]
    assert outstanding.settle(*confirms((4, False))).all_tags().tolist() == []
    assert outstanding.settle(*confirms((5, True))).all_tags().tolist() == [1, 2, 3, 5]
    assert outstanding.count == 0


def test_an_open_tag_holds_its_place_in_the_ring() -> None:
    """However many later tags are settled, the span of tags never exceeds the ring."""
    outstanding = filled(4, 4)
    newest = [2, 3, 4]
    while newest:
        outstanding.settle(*confirms(*((tag, False) for tag in newest)))
        newest = list(range(outstanding.next_tag, outstanding.next_tag + outstanding.free))
        outstanding.add(len(newest), 0, 1000)

    assert outstanding.next_tag == 17
    assert outstanding.count == 1
    assert outstanding.free == 0

    outstanding.settle(*confirms((1, False)))

    assert outstanding.free == 4


def test_a_tag_never_published_is_an_error() -> None:
    """A broker that confirms what was not published breaks the protocol, and is told apart from a late confirm."""
    outstanding = filled(4, 2)

    with pytest.raises(UnknownDeliveryTagError, match="delivery tag 3, but the last one published is 2"):
        outstanding.settle(*confirms((3, False)))


def test_drain_takes_all_that_is_left() -> None:
    """A channel that is gone leaves its open tags, with their instants, and nothing in flight."""
    outstanding = filled(8, 4)
    outstanding.settle(*confirms((2, False)))

    drained = outstanding.drain()

    assert drained.all_tags().tolist() == [1, 3, 4]
    assert drained.intended_ns.tolist() == [10, 30, 40]
    assert outstanding.count == 0


steps = st.lists(
    st.one_of(
        st.integers(1, 6).map(lambda n: ("publish", n)),
        st.lists(st.tuples(st.integers(0, 11), st.booleans()), min_size=1, max_size=6).map(lambda c: ("confirm", c)),
    ),
    max_size=40,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(window=st.integers(1, 12), steps=steps)
def test_settled_and_in_flight_agree_with_a_dict(window: int, steps: list[Any]) -> None:
    """Whatever is published and confirmed, each tag is settled once, with its own instants, as a dict would say."""
    outstanding = Outstanding(window)
    open_tags: dict[int, int] = {}
    next_tag = 1
    for step, argument in steps:
        if step == "publish":
            n = min(argument, outstanding.free)
            intended = np.arange(next_tag, next_tag + n) * 7
            outstanding.add(n, intended, next_tag)
            open_tags |= {tag: tag * 7 for tag in range(next_tag, next_tag + n)}
            next_tag += n
        else:
            answers = {max(1, next_tag - 1 - back): multiple for back, multiple in argument}
            if next_tag == 1:
                continue
            settled = outstanding.settle(*confirms(*answers.items()))
            expected = set()
            for tag, multiple in answers.items():
                expected |= {each for each in open_tags if each == tag or (multiple and each <= tag)}
            assert settled.all_tags().tolist() == sorted(expected)
            assert settled.intended_ns.tolist() == [open_tags[tag] for tag in sorted(expected)]
            for tag in expected:
                del open_tags[tag]
        assert outstanding.count == len(open_tags)
        assert outstanding.count <= window
    assert outstanding.drain().all_tags().tolist() == sorted(open_tags)
