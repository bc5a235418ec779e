"""
The curve of a schedule: how many arrivals its rate has brought by an instant, and its inverse.

    H(t) = integral of rate(u) du from 0 to t          t in ns, rate in arrivals per ns, H in arrivals

A *position* is a value of H as an integer in units of 1/scale arrivals. The instant of a position p is the last whole
ns t with H(t) <= p / scale; so a position that falls on a pause belongs to the pause's end. All of it is arithmetic
on integers: nothing is accumulated and nothing drifts, whatever the instant. The vectorised forms may use floats to
get near, never to decide.

Knows nothing of users, messages or randomness.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, isqrt, lcm
from typing import Final

import numpy as np
from numpy.typing import NDArray

_INT64: Final = 1 << 63
_FEW: Final = 8  # from here on the vectorised form of a ramp costs less than one root after the other


class Flat:
    """A constant rate from `start_ns` on, of `rate` arrivals per ns; H there is `start`."""

    __slots__ = ("end", "end_ns", "rate", "start", "start_ns")

    def __init__(self, start_ns: int, end_ns: int | None, start: Fraction, rate: Fraction) -> None:
        self.start_ns, self.end_ns, self.start, self.rate = start_ns, end_ns, start, rate
        self.end: Fraction | None = None if end_ns is None else start + rate * (end_ns - start_ns)

    def positions_before(self, ns: int, scale: int) -> int:
        """Return ceil(H(ns) * scale) for an instant within the segment: how many positions, from 0, come before it."""
        (h, g), (n, d) = self.start.as_integer_ratio(), self.rate.as_integer_ratio()
        return -(-(h * d + n * g * (ns - self.start_ns)) * scale // (g * d))

    def instant_ns(self, position: int, scale: int) -> int:
        """Return the instant of a position within the segment: start_ns + floor((position / scale - start) / rate)."""
        (h, g), (n, d) = self.start.as_integer_ratio(), self.rate.as_integer_ratio()
        return self.start_ns + (position * g - h * scale) * d // (scale * g * n)

    def instants_ns(self, base: int, offsets: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
        """Return the instants of `base + offsets`, ascending: floor((rest + offsets * part) / divisor) in int64."""
        (h, g), (n, d) = self.start.as_integer_ratio(), self.rate.as_integer_ratio()
        divisor = scale * g * n
        first, rest = divmod((base * g - h * scale) * d, divisor)
        whole, part = divmod(g * d, divisor)
        common = gcd(part, divisor)  # part may be 0: then the divisor becomes 1 and there is nothing to divide
        rest, part, divisor = rest // common, part // common, divisor // common
        furthest = int(offsets[-1])
        if furthest * part + rest >= _INT64 or furthest * whole + first + self.start_ns >= _INT64 // 2:
            exact = [self.instant_ns(base + int(offset), scale) for offset in offsets]
            return np.array(exact, dtype=np.int64)
        if divisor == 1:
            return offsets * (whole + part) + (self.start_ns + first + rest)
        shares: NDArray[np.int64] = (offsets * part + rest) // divisor + (self.start_ns + first)
        return shares + offsets * whole if whole else shares


class Ramp:
    """
    A rate that changes in a straight line, and so H(start_ns + t) = start + from_rate * t + slope * t^2 / 2.

    Kept as (level + linear * t + square * t^2) / unit in integers. The rates, in arrivals per ns, differ.
    """

    __slots__ = (
        "_level",
        "_linear",
        "_low",
        "_rises",
        "_slope",
        "_square",
        "_unit",
        "end",
        "end_ns",
        "start",
        "start_ns",
    )

    def __init__(self, start_ns: int, end_ns: int, start: Fraction, from_rate: Fraction, to_rate: Fraction) -> None:
        self.start_ns, self.end_ns, self.start = start_ns, end_ns, start
        self.end: Fraction | None = start + (from_rate + to_rate) * (end_ns - start_ns) / 2
        half = (to_rate - from_rate) / (2 * (end_ns - start_ns))
        self._unit = lcm(start.denominator, from_rate.denominator, half.denominator)
        self._level, self._linear, self._square = (int(part * self._unit) for part in (start, from_rate, half))
        self._rises = to_rate > from_rate
        self._low, self._slope = _longdouble(min(from_rate, to_rate)), _longdouble(2 * abs(half))

    def positions_before(self, ns: int, scale: int) -> int:
        """Return ceil(H(ns) * scale) for an instant within the segment: how many positions, from 0, come before it."""
        at = ns - self.start_ns
        return -(-(self._level + (self._linear + self._square * at) * at) * scale // self._unit)

    def instant_ns(self, position: int, scale: int) -> int:
        """Return the instant of a position within the segment, by the root of the quadratic in integers."""
        square, linear = self._square * scale, self._linear * scale
        # square t^2 + linear t <= level, up to the greater root of a rising ramp, the lesser of a falling one
        level = position * self._unit - self._level * scale
        under = linear * linear + 4 * square * level
        root = isqrt(under)
        if square > 0:
            return self.start_ns + (root - linear) // (2 * square)
        root += root * root < under  # rounded up, for it is subtracted
        return self.start_ns + (linear - root) // (-2 * square)

    def instants_ns(self, base: int, offsets: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
        """Return the instants of `base + offsets`: by floats, and exactly where these are too near to a whole ns."""
        if offsets.size < _FEW:
            return np.array([self.instant_ns(base + int(offset), scale) for offset in offsets], dtype=np.int64)
        error = 64 * float(np.finfo(np.longdouble).eps) * (self.end_ns - self.start_ns) + 1e-6
        near = self._near(base, offsets, scale)
        found: NDArray[np.int64] = np.floor(near).astype(np.int64) + self.start_ns
        for at in np.flatnonzero(np.abs(near - np.rint(near)) <= error):
            found[at] = self.instant_ns(base + int(offsets[at]), scale)
        return found

    def _near(self, base: int, offsets: NDArray[np.int64], scale: int) -> NDArray[np.longdouble]:
        # Each root without cancellation, from the end where the rate is lower: 2c / (r + sqrt(r^2 + 2 s c)).
        ahead = offsets.astype(np.longdouble) / np.longdouble(scale)
        origin = Fraction(base, scale)  # may be below the start, where the run began in a segment before
        count = (
            _longdouble(origin - self.start) + ahead if self._rises else _longdouble((self.end or 0) - origin) - ahead
        )
        np.maximum(count, 0, out=count)  # a rounding below zero
        divisor = self._low + np.sqrt(self._low * self._low + 2 * self._slope * count)
        away: NDArray[np.longdouble] = np.divide(2 * count, divisor, out=np.zeros_like(count), where=divisor > 0)
        return away if self._rises else np.longdouble(self.end_ns - self.start_ns) - away


def _longdouble(value: Fraction) -> np.longdouble:
    return np.longdouble(np.longdouble(value.numerator) / np.longdouble(value.denominator))


Segment = Flat | Ramp


class Curve:
    """Segments end to end from 0. Immutable."""

    __slots__ = ("_productive", "_segments")

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self._segments = segments
        # On a pause H stands still: no position belongs to it.
        self._productive = tuple(part for part in segments if part.end != part.start)

    def total_positions(self, scale: int) -> int | None:
        """Return how many positions there are in all; None without an end."""
        last = self._segments[-1]
        return None if last.end_ns is None else last.positions_before(last.end_ns, scale)

    def positions_before(self, ns: int, scale: int) -> int:
        """Return how many positions, from 0, have their instant before `ns`."""
        if ns <= 0:
            return 0
        for segment in self._segments:
            if segment.end_ns is None or ns <= segment.end_ns:
                return segment.positions_before(ns, scale)
        last = self._segments[-1]
        return last.positions_before(last.end_ns or 0, scale)

    def instant_ns(self, position: int, scale: int) -> int:
        """
        Return the instant of a position.

        Raises:
            IndexError: If the curve ends before it.
        """
        for segment in self._productive:
            end = segment.end
            if end is None or position * end.denominator < end.numerator * scale:
                return segment.instant_ns(position, scale)
        raise IndexError(f"position {position}/{scale} is beyond the end of the schedule")

    def instants_ns(self, base: int, offsets: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
        """
        Return the instants of `base + offsets`, ascending positions, in one go.

        Raises:
            IndexError: If the curve ends before the last of them.
        """
        first = self._productive[0]
        if first.end_ns is None and offsets.size:
            return first.instants_ns(base, offsets, scale)
        found, done = np.empty(offsets.size, dtype=np.int64), 0
        for segment in self._productive:
            end = segment.end
            # The last position before the end is below ceil(end * scale); one beyond int64 takes whatever is left.
            limit = None if end is None else -(-end.numerator * scale // end.denominator) - base
            beyond = limit is None or limit >= _INT64
            upto = offsets.size if beyond else int(np.searchsorted(offsets, limit or 0, side="left"))
            if upto > done:
                found[done:upto] = segment.instants_ns(base, offsets[done:upto], scale)
                done = upto
        if done < offsets.size:
            raise IndexError(f"position {base + int(offsets[-1])}/{scale} is beyond the end of the schedule")
        return found


def constant_curve(rate_per_s: Fraction) -> Curve:
    """Return the curve of one rate without an end."""
    return Curve((Flat(0, None, Fraction(0), rate_per_s / 1_000_000_000),))


def staged_curve(stages: list[tuple[int, Fraction, Fraction]]) -> Curve:
    """Return the curve of one stage or more, each (length in ns, rates per second at begin and end)."""
    segments: list[Segment] = []
    start_ns, position = 0, Fraction(0)
    for length_ns, from_per_s, to_per_s in stages:
        low, high = from_per_s / 1_000_000_000, to_per_s / 1_000_000_000
        end_ns = start_ns + length_ns
        is_flat = low == high
        segments.append(
            Flat(start_ns, end_ns, position, low) if is_flat else Ramp(start_ns, end_ns, position, low, high)
        )
        start_ns, position = end_ns, position + (low + high) * length_ns / 2
    return Curve(tuple(segments))
