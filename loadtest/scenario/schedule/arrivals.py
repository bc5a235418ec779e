"""
Arrivals: when each message of a user is due, as arithmetic on its index.

User k of U takes the group's arrivals k, k + U, k + 2U, …, so that all of them together are the group's schedule.
Being late never moves an arrival. Knows nothing of clocks, messages or bodies.

Source: wrk2's README for the intended start time; vegeta's `lib/pacer.go` for the pacer as a function.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from loadtest.scenario.grammar.groups import Stage, stage_rates
from loadtest.scenario.schedule.curve import Curve, constant_curve, staged_curve
from loadtest.scenario.schedule.poisson import SCALE, UnitPoisson

# Runs up to this long take their offsets from one table; a publisher asks for what is due, a few hundred at most.
_TABLE: Final = 512


class Arrivals(Protocol):
    """A schedule of arrivals, by index from 0. Pure: safe to share."""

    @property
    def total(self) -> int | None:
        """How many arrivals there are; None without an end."""

    def intended_ns(self, index: int) -> int:
        """
        Return when arrival *index* is due, in ns after the group's start.

        Depends on *index* alone and never decreases with it.

        Raises:
            IndexError: If the schedule has fewer arrivals.
        """

    def intended_ns_run(self, first: int, count: int) -> NDArray[np.int64]:
        """
        Return `intended_ns` of *count* arrivals from *first*, vectorised.

        Raises:
            IndexError: If the schedule has fewer arrivals.
        """

    def count_due(self, elapsed_ns: int) -> int:
        """Return how many arrivals have an `intended_ns` of at most *elapsed_ns*: the index of the next one."""


class EvenArrivals:
    """Arrivals spaced by the rate alone: the group's arrival j is due when the curve reaches j."""

    __slots__ = ("_curve", "_first", "_step", "_table", "total")

    def __init__(self, curve: Curve, user: int = 0, users: int = 1, table: NDArray[np.int64] | None = None) -> None:
        self._curve, self._first, self._step = curve, user, users
        self._table = _offsets(_TABLE, users) if table is None else table
        positions = curve.total_positions(1)
        self.total: int | None = None if positions is None else _own(positions, user, users)

    def __repr__(self) -> str:
        return f"<EvenArrivals {self._first}+{self._step}n total={self.total}>"

    def intended_ns(self, index: int) -> int:
        """Return when arrival *index* is due."""
        _check(index, 1, self.total)
        return self._curve.instant_ns(self._first + index * self._step, 1)

    def intended_ns_run(self, first: int, count: int) -> NDArray[np.int64]:
        """Return when *count* arrivals from *first* are due."""
        _check(first, count, self.total)
        offsets = self._table[:count] if count <= _TABLE else _offsets(count, self._step)
        return self._curve.instants_ns(self._first + first * self._step, offsets, 1)

    def count_due(self, elapsed_ns: int) -> int:
        """Return how many arrivals are due by *elapsed_ns*."""
        return _own(self._curve.positions_before(elapsed_ns + 1, 1), self._first, self._step)


class PoissonArrivals:
    """Arrivals at random: arrival j of the group is due when the curve reaches the j-th time of a Poisson process."""

    __slots__ = ("_curve", "_first", "_step", "_unit", "total")

    def __init__(self, curve: Curve, unit: UnitPoisson, user: int = 0, users: int = 1) -> None:
        self._curve, self._unit, self._first, self._step = curve, unit, user, users
        positions = curve.total_positions(SCALE)
        self.total: int | None = None if positions is None else _own(unit.count_before(positions), user, users)

    def __repr__(self) -> str:
        return f"<PoissonArrivals {self._first}+{self._step}n total={self.total}>"

    def intended_ns(self, index: int) -> int:
        """Return when arrival *index* is due."""
        _check(index, 1, self.total)
        return self._curve.instant_ns(self._unit.time(self._first + index * self._step), SCALE)

    def intended_ns_run(self, first: int, count: int) -> NDArray[np.int64]:
        """Return when *count* arrivals from *first* are due."""
        _check(first, count, self.total)
        if not count:
            return np.empty(0, dtype=np.int64)
        base, offsets = self._unit.times(self._first + first * self._step, count, self._step)
        return self._curve.instants_ns(base, offsets, SCALE)

    def count_due(self, elapsed_ns: int) -> int:
        """Return how many arrivals are due by *elapsed_ns*."""
        before = self._unit.count_before(self._curve.positions_before(elapsed_ns + 1, SCALE))
        return _own(before, self._first, self._step)


def arrivals_of_users(
    rate: Fraction | tuple[Stage, ...],
    arrival: Literal["constant", "poisson"],
    *,
    users: int,
    seed: int,
    group: str,
) -> tuple[Arrivals, ...]:
    """Return the schedule of each user of a group; together they are the schedule of the group."""
    curve = constant_curve(rate) if isinstance(rate, Fraction) else staged_curve(stage_rates(rate))
    if arrival == "constant":
        table = _offsets(_TABLE, users)
        return tuple(EvenArrivals(curve, user, users, table) for user in range(users))
    unit = UnitPoisson(seed, group)
    return tuple(PoissonArrivals(curve, unit, user, users) for user in range(users))


def _own(positions: int, user: int, users: int) -> int:
    """Return how many of the group's first arrivals are the user's."""
    return max(0, (positions - user + users - 1) // users)


def _check(first: int, count: int, total: int | None) -> None:
    if first < 0 or count < 0 or (total is not None and count and first + count > total):
        raise IndexError(f"arrivals {first} to {first + count - 1} of {total}")


def _offsets(count: int, step: int) -> NDArray[np.int64]:
    table = np.arange(count, dtype=np.int64) * step
    table.flags.writeable = False
    return table
