"""
The axes of a sweep: what is varied, as quantities where the values are, and the points that they span.

Read from `--vary` of the command line; knows no processes. A value that is a number with a unit is a place on a scale;
any other is a category.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from loadtest.errors import UsageError
from loadtest.experiments.compare.variants import name_of, parse_vary
from loadtest.result.sweep_result import AxisPart, AxisUnit, SweepValuePart
from loadtest.scenario.grammar.quantity import (
    QuantityError,
    parse_bandwidth,
    parse_duration,
    parse_memory,
    parse_rate,
    parse_share,
)
from loadtest.scenario.loading.secrets_in_yaml import redacted_override

_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_STEP: Final = re.compile(r'(?:[^."]|"[^"]*")+')
_LONGEST_NAME: Final = 80
"""Of a point, which is part of the name of a folder."""


def _plain(text: str) -> Fraction:
    if _NUMBER.fullmatch(text) is None:
        raise QuantityError("a number")
    return Fraction(text)


# The first that reads all values of an axis is its unit. Their writings do not overlap.
_UNITS: Final[tuple[tuple[AxisUnit, Callable[[str], int | Fraction]], ...]] = (
    ("count", _plain),
    ("bytes", parse_memory),
    ("ns", parse_duration),
    ("per_s", parse_rate),
    ("share", parse_share),
    ("bytes_per_s", parse_bandwidth),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """
    One path of the scenario, and what is put there.

    Attributes:
        numbers: As many as `values`, ascending; none where they are no quantities of one kind.
    """

    path: str
    values: tuple[str, ...]
    unit: AxisUnit | None = None
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """
    One combination of values.

    Attributes:
        name: Short, and fit for the name of a folder; not always its own.
        at: By axis: the place of its value.
        overrides: What makes the scenario that of this point.
    """

    name: str
    at: tuple[int, ...]
    overrides: tuple[str, ...]


def parse_axes(vary: Sequence[str]) -> tuple[Axis, ...]:
    """
    Return the axes that the options name, quantities in ascending order.

    Raises:
        UsageError: If there is none, one cannot be read, or a value comes twice.
    """
    if not vary:
        raise UsageError("nothing to sweep: say what is varied, by --vary PATH=V1,V2,…, such as body.size=12B,1KB,10KB")
    return tuple(_axis(path, values) for path, values in parse_vary(vary).items())


def _axis(path: str, texts: Sequence[str]) -> Axis:
    for unit, parse in _UNITS:
        try:
            numbers = {text: parse(text) for text in texts}
        except QuantityError:
            continue
        ordered = sorted(texts, key=lambda text: numbers[text])
        for one, other in itertools.pairwise(ordered):
            if numbers[one] == numbers[other]:
                raise UsageError(f"--vary: {path} has the same value twice: {one} and {other}")
        return Axis(path, tuple(ordered), unit, tuple(float(numbers[text]) for text in ordered))
    for text in texts:
        if texts.count(text) > 1:
            raise UsageError(f"--vary: {path} has the same value twice: {redacted_axis_value(path, text)}")
    return Axis(path, tuple(texts))


def redacted_axis_value(path: str, value: str) -> str:
    """Return a value of an axis without secrets; all of it where the path leads to one."""
    return redacted_override(f"{path}={value}").partition("=")[2]


def points_of(axes: Sequence[Axis]) -> Iterator[Point]:
    """Yield every combination of the axes' values, the last axis' changing fastest."""
    names = _short_names([axis.path for axis in axes])
    for at in itertools.product(*(range(len(axis.values)) for axis in axes)):
        chosen = {axis.path: axis.values[place] for axis, place in zip(axes, at, strict=True)}
        overrides = tuple(f"{path}={value}" for path, value in chosen.items())
        safe = {
            name.replace(".", "-"): redacted_axis_value(path, value)
            for name, (path, value) in zip(names, chosen.items(), strict=True)
        }
        yield Point(name_of(safe)[:_LONGEST_NAME].rstrip("-.+="), at, overrides)


def axis_parts(axes: Sequence[Axis]) -> tuple[AxisPart, ...]:
    """Return the axes as the document has them, what may be a password replaced."""
    names = _short_names([axis.path for axis in axes])
    return tuple(
        AxisPart(
            path=axis.path,
            name=name,
            unit=axis.unit,
            values=tuple(
                SweepValuePart(
                    text=redacted_axis_value(axis.path, text),
                    number=axis.numbers[place] if axis.unit else None,
                )
                for place, text in enumerate(axis.values)
            ),
        )
        for axis, name in zip(axes, names, strict=True)
    )


def _short_names(paths: Sequence[str]) -> list[str]:
    """Return of each path the shortest end, of whole steps, that no other path has."""
    steps = [_STEP.findall(path) for path in paths]
    return [
        next(
            (
                ".".join(own[-length:])
                for length in range(1, len(own))
                if sum(other[-length:] == own[-length:] for other in steps) == 1
            ),
            ".".join(own),
        )
        for own in steps
    ]
