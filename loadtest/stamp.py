"""
The stamp: the 24 bytes by which a message says who sent it, which one it is and when it was meant to be sent.

Layout (big-endian): ``run_publisher`` u32 (run tag, 12 bits, above publisher id, 20 bits), ``lateness_us`` u32 (sent
minus intended, saturating at both ends), ``seq`` u64, ``intended_ns`` i64 (CLOCK_MONOTONIC). Knows neither where in a
message it travels (`loadtest.wire.frames.stamp_position`) nor what is recorded of it (`loadtest.measure`); both keep it
as it came, and it is taken apart some thousand at a time.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np

STAMP_BYTES: Final = 24
# The header field that it travels in, unless it travels in the body.
STAMP_HEADER: Final = "lt"
STAMP_STRUCT: Final = struct.Struct(">IIQq")
STAMP_DTYPE: Final = np.dtype(
    [("run_publisher", ">u4"), ("lateness_us", ">u4"), ("seq", ">u8"), ("intended_ns", ">i8")]
)
# Stamps as opaque items: copied whole, 3.6 ns each wherever they lie; field by field it is 24 ns.
STAMP_VOID: Final = np.dtype((np.void, STAMP_BYTES))
RUN_TAG_BITS: Final = 12
PUBLISHER_ID_BITS: Final = 20
MAX_RUN_TAG: Final = (1 << RUN_TAG_BITS) - 1
MAX_PUBLISHER_ID: Final = (1 << PUBLISHER_ID_BITS) - 1
MAX_LATENESS_US: Final = (1 << 32) - 1


class Stamp(NamedTuple):
    """One stamp, decoded."""

    run_publisher: int
    lateness_us: int
    seq: int
    intended_ns: int

    @property
    def run_tag(self) -> int:
        """The run that sent the message; another run's messages are foreign."""
        return self.run_publisher >> PUBLISHER_ID_BITS

    @property
    def publisher_id(self) -> int:
        """The publisher within the run."""
        return self.run_publisher & MAX_PUBLISHER_ID


def run_publisher_word(run_tag: int, publisher_id: int) -> int:
    """
    Return the first word of a stamp.

    Raises:
        ValueError: If the tag needs more than 12 bits or the publisher id more than 20.
    """
    if not 0 <= run_tag <= MAX_RUN_TAG:
        raise ValueError(f"run tag {run_tag} is not within 0..{MAX_RUN_TAG}")
    if not 0 <= publisher_id <= MAX_PUBLISHER_ID:
        raise ValueError(f"publisher id {publisher_id} is not within 0..{MAX_PUBLISHER_ID}")
    return run_tag << PUBLISHER_ID_BITS | publisher_id


def run_words(run_tag: int, publishers: int) -> range:
    """Return the first words of the stamps of a run's *publishers*, which are numbered from 0."""
    first = run_publisher_word(run_tag, 0)
    return range(first, first + publishers)
