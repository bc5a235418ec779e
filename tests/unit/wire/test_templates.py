from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from pika import exceptions

from loadtest.wire.frames.deliveries import DeliveryTemplate
from loadtest.wire.frames.templates import MAX_TEMPLATES
from tests.unit.wire.frames import (
    FRAME_MAX,
    RecordingHandler,
    deliver,
    events_by_pika,
    feed,
    stamp_bytes,
)


def test_runs_go_by_the_template_after_one_message() -> None:
    """The first delivery of a shape teaches it; all that follow are matched without pika."""
    handler = RecordingHandler()

    feed(handler, b"".join(deliver(tag, stamp=stamp_bytes(seq=tag)) for tag in range(1, 1001)))

    assert (1000, 999) == (len(handler.events), handler.fast)


def test_interleaved_shapes_are_learned_each_once() -> None:
    """Forty shapes that alternate cost forty slow messages, however often they come round."""
    shapes = [f"key-{number}" for number in range(40)]
    handler = RecordingHandler()

    feed(
        handler, b"".join(deliver(tag, routing_key=shapes[tag % 40], stamp=stamp_bytes(seq=tag)) for tag in range(2000))
    )

    assert (2000, 1960) == (len(handler.events), handler.fast)


def test_interleaved_shapes_are_never_compared_ahead() -> None:
    """Where no run is longer than one message, no comparison of arrays is made at all."""
    handler = RecordingHandler()
    stream = b"".join(deliver(tag, routing_key="ab"[tag % 2], stamp=stamp_bytes(seq=tag)) for tag in range(3000))

    feed(handler, stream)

    assert [0] * 2 == [template._laid_out for template in handler.reader._book._order]


def test_the_work_of_alternating_runs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages compared in arrays stay within a few times the messages there are, whatever the runs are like."""
    runs = [1, 1000, 1, 1, 500, 3, 1, 20, 11, 1, 700, 2] * 3
    keys = [key for number, length in enumerate(runs) for key in "ab"[number % 2] * length]
    compared = []
    count_matches = DeliveryTemplate.count_matches

    def counting(
        template: DeliveryTemplate, buffer: bytearray, received: NDArray[np.uint8], at: int, count: int
    ) -> int:
        compared.append(count)
        return count_matches(template, buffer, received, at, count)

    monkeypatch.setattr(DeliveryTemplate, "count_matches", counting)
    handler = RecordingHandler()

    feed(handler, b"".join(deliver(tag, routing_key=key, stamp=stamp_bytes()) for tag, key in enumerate(keys)))

    assert sum(runs) == len(handler.events)
    assert 0 < sum(compared) < 3 * sum(runs)


def test_templates_are_bounded() -> None:
    """Shapes without end leave a bounded book, and the events stay right."""
    handler = RecordingHandler()

    feed(handler, b"".join(deliver(tag, body=struct.pack(">Q", tag)) for tag in range(1, 3 * MAX_TEMPLATES)))

    assert 3 * MAX_TEMPLATES - 1 == len(handler.events)
    assert len(handler.reader._book) <= MAX_TEMPLATES


def test_unverified_deliveries_are_not_learned() -> None:
    """What the sink does not vouch for never becomes a template."""
    handler = RecordingHandler(intact=[])

    feed(handler, b"".join(deliver(tag, stamp=stamp_bytes(seq=tag)) for tag in range(50)))

    assert (50, 0) == (len(handler.events), handler.fast)


def test_forgotten_consumers_are_learned_anew() -> None:
    """After a consumer is gone, a delivery with its tag goes the slow way again, and may have another sink."""
    handler = RecordingHandler()
    feed(handler, deliver(1) + deliver(2))
    handler.reader.forget_consumers()

    feed(handler, deliver(3) + deliver(4))

    assert (4, 2) == (len(handler.events), handler.fast)


def test_a_template_is_not_used_within_a_content_under_way() -> None:
    """A delivery inside another one's content on its channel is an error, though its bytes match a template."""
    handler = RecordingHandler()
    feed(handler, deliver(1) + deliver(2))
    large = deliver(3, body=b"L" * (FRAME_MAX + 100))
    first_body_end = large.index(b"\x03\x00\x01") + FRAME_MAX

    with pytest.raises(exceptions.UnexpectedFrameError):
        feed(handler, large[:first_body_end] + deliver(4))


def test_a_content_under_way_on_another_channel_is_no_hindrance() -> None:
    """Body frames of one channel may have whole deliveries of another between them."""
    large = deliver(9, channel=2, body=b"L" * (2 * FRAME_MAX))
    first_body = large.index(b"\x03\x00\x02")
    parts = [large[:first_body], large[first_body : first_body + FRAME_MAX], large[first_body + FRAME_MAX :]]
    stream = deliver(1) + parts[0] + deliver(2) + parts[1] + deliver(3) + deliver(4) + parts[2] + deliver(5)
    handler = RecordingHandler()

    feed(handler, stream)

    assert events_by_pika(stream) == (handler.events, False)


def test_a_known_shape_is_not_learned_twice() -> None:
    """A delivery that came the slow way only because of another channel's content teaches nothing new."""
    large = deliver(9, channel=2, body=b"L" * (2 * FRAME_MAX))
    half = large.index(b"\x03\x00\x02") + FRAME_MAX
    handler = RecordingHandler()

    feed(handler, deliver(1) + deliver(2) + large[:half] + deliver(3) + deliver(4) + large[half:] + deliver(5))

    assert (6, 1) == (len(handler.events), len(handler.reader._book))
