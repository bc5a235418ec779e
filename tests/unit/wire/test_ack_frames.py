"""Answers to deliveries as bytes: what pika would write for each."""

from __future__ import annotations

import numpy as np
import pika.frame
import pytest
from pika import spec

from loadtest.wire.frames.ack_frames import encode_acks, encode_refusals


@pytest.mark.parametrize("tags", [[7], [1, 2, 1 << 63]])
@pytest.mark.parametrize("requeue", [True, False])
def test_answers_are_those_of_pika(tags: list[int], requeue: bool) -> None:
    """One or many, with each of their bits."""
    column = np.array(tags, dtype=np.uint64)

    def frames(*methods: pika.amqp_object.Method) -> bytes:
        return b"".join(pika.frame.Method(258, method).marshal() for method in methods)

    assert encode_acks(258, column, multiple=requeue) == frames(*(spec.Basic.Ack(tag, requeue) for tag in tags))
    assert encode_refusals(258, column, "nack", requeue=requeue) == frames(
        *(spec.Basic.Nack(tag, multiple=False, requeue=requeue) for tag in tags)
    )
    assert encode_refusals(258, column, "reject", requeue=requeue) == frames(
        *(spec.Basic.Reject(tag, requeue=requeue) for tag in tags)
    )
