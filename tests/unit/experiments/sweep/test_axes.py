"""What is varied, as it is read: quantities and categories, points and their names; and the order of runs."""

from __future__ import annotations

import pytest

from loadtest.errors import UsageError
from loadtest.experiments.sweep.axes import axis_parts, parse_axes, points_of
from loadtest.experiments.sweep.point_order import order_of_round


@pytest.mark.parametrize(
    "text, unit, values, numbers",
    [
        ("body.size=10KB,12B,1KiB", "bytes", ("12B", "1KiB", "10KB"), (12, 1024, 10_000)),
        ("p.users=4,1,2", "count", ("1", "2", "4"), (1, 2, 4)),
        ("p.rate=1000/s,600/m", "per_s", ("600/m", "1000/s"), (10, 1000)),
        ("c.processing_time=1s,20ms", "ns", ("20ms", "1s"), (20e6, 1e9)),
        ("c.nack.share=5%,0.1%", "share", ("0.1%", "5%"), (0.001, 0.05)),
        ("faults[0].bandwidth=8Mbit/s,500KB/s", "bytes_per_s", ("500KB/s", "8Mbit/s"), (500_000, 1_000_000)),
        ("q.type=quorum,classic", None, ("quorum", "classic"), ()),
        ("c.ack=every 10,auto", None, ("every 10", "auto"), ()),
        ("p.rate=1000/s,null", None, ("1000/s", "null"), ()),
        ("x=1KB,2", None, ("1KB", "2"), ()),
        ('x="2","1"', None, ('"2"', '"1"'), ()),
        ("p.routing_key=[a, b],[c]", None, ("[a, b]", "[c]"), ()),
    ],
)
def test_values_are_quantities_where_all_are_of_one_kind(
    text: str, unit: str | None, values: tuple[str, ...], numbers: tuple[float, ...]
) -> None:
    """Quantities ascend; everything else is as it was asked for."""
    (axis,) = parse_axes([text])

    assert (axis.unit, axis.values, axis.numbers) == (unit, values, numbers)


@pytest.mark.parametrize(
    "vary, words",
    [
        ([], "nothing to sweep"),
        (["body.size"], r"--vary: found 'body\.size'; allowed PATH=V1,V2"),
        (["a=1", "a=2"], "a is varied twice"),
        (["a=1KB,1000B"], "the same value twice: 1KB and 1000B"),
        (["a=x,y,x"], "the same value twice: x"),
    ],
)
def test_what_cannot_be_swept_is_refused(vary: list[str], words: str) -> None:
    """With what it is."""
    with pytest.raises(UsageError, match=words):
        parse_axes(vary)


def test_points_are_all_combinations() -> None:
    """The last axis changes fastest; each has its overrides, and a name that a folder may have."""
    points = list(points_of(parse_axes(["body.size=1KB,12B", "q.type=a b,c"])))

    assert [point.at for point in points] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert points[0].overrides == ("body.size=12B", "q.type=a b")
    assert [point.name for point in points] == [
        "size=12B+type=a-b",
        "size=12B+type=c",
        "size=1KB+type=a-b",
        "size=1KB+type=c",
    ]


def test_names_of_axes_are_as_short_as_they_can_be_told_apart() -> None:
    """The end of the path, and as much before it as another axis makes needful."""
    axes = parse_axes(
        ["publishers.a.rate=1/s", "publishers.b.rate=1/s", "run.duration=1s", 'topology.queues."x.y".type=q']
    )

    assert [axis.name for axis in axis_parts(axes)] == ["a.rate", "b.rate", "duration", "type"]


def test_many_long_values_have_a_name_that_fits() -> None:
    """A folder has it in its name, so it ends somewhere."""
    (point,) = points_of(parse_axes([f"a{number}.b=x{'y' * 60}" for number in range(9)]))

    assert len(point.name) <= 80


def test_a_password_is_in_no_name() -> None:
    """Neither in the axis nor in the names of its points."""
    axes = parse_axes(["variables.password=hunter2,other", "variables.url=amqp://a:hunter2@h/,x"])

    assert "hunter2" not in repr(axis_parts(axes)) + repr([point.name for point in points_of(axes)])
    assert any("hunter2" in text for point in points_of(axes) for text in point.overrides)


def test_a_round_runs_every_point_once_in_an_order_of_its_own() -> None:
    """The same seed gives the same order, whichever round was run before; another round, or seed, another."""
    first = order_of_round(1, 12, seed=1)

    assert sorted(first) == list(range(12))
    assert first == order_of_round(1, 12, seed=1)
    assert first != list(range(12))
    assert first not in (order_of_round(2, 12, seed=1), order_of_round(1, 12, seed=2))
