"""Roaring bitmaps to and from numpy and text; the one place that knows pyroaring's types."""

from __future__ import annotations

import array
import base64

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64


def bitmap_of(numbers: NDArray[np.int64]) -> BitMap64:
    """Return the set of *numbers*, none negative."""
    # pyroaring 1.2 takes an array of unsigned 64-bit as one block: four times as fast as an ndarray, which it iterates.
    return BitMap64(array.array("Q", np.ascontiguousarray(numbers, dtype=np.uint64).tobytes()))


def range_bitmap(start: int, end: int) -> BitMap64:
    """Return the set of start, start + 1, … end - 1."""
    bitmap = BitMap64()
    if end > start:
        bitmap.add_range(start, end)
    return bitmap


def numbers_of(bitmap: BitMap64) -> NDArray[np.int64]:
    """Return the members, ascending."""
    return np.frombuffer(bitmap.to_array(), dtype=np.uint64).astype(np.int64)


def text_of(bitmap: BitMap64) -> str:
    """Return the set as base64 of the portable Roaring format for 64 bits, runs compressed."""
    bitmap.run_optimize()
    return base64.b64encode(bitmap.serialize()).decode("ascii")


def bitmap_of_text(text: str) -> BitMap64:
    """
    Return the set that *text* (of `text_of`) holds.

    Raises:
        ValueError: If it is not one.
    """
    return BitMap64.deserialize(base64.b64decode(text, validate=True))
