"""What the reports say of the clocks of several hosts."""

from __future__ import annotations

from loadtest.clock import NS_PER_S
from loadtest.report.run.clocks_line import clock_items
from loadtest.report.run.markdown import summary_md
from loadtest.report.run.terminal import render
from loadtest.result.run.build import build_result
from loadtest.result.run.document import RunResult
from tests.unit.result.staged_run import flood


def over(*offsets_ns: int | None) -> RunResult:
    """Return the result of a run over processes with these offsets; None shares the master's clock."""
    run = flood()
    end = run.records.pop()
    for number, offset_ns in enumerate(offsets_ns):
        for second in (0, 20):
            run.worker(
                f"worker-{number}",
                second * NS_PER_S,
                clock=None if offset_ns is None else f"clock of {offset_ns}",
                offset_ns=0 if offset_ns is None else offset_ns + second * 1_500,
                bound_ns=0 if offset_ns is None else 159_000,
            )
    run.records.append(end)
    return build_result(run.collector())


def test_clocks_of_other_hosts_are_told() -> None:
    """How far ahead or behind, how exactly, and how fast that changes; one line a host."""
    result = over(None, 300 * NS_PER_S, 300 * NS_PER_S, -2 * NS_PER_S)

    assert list(clock_items(result)) == [
        "lab 5 min 00 s ahead ±159 µs, drift +1.5 ppm",
        "lab 2.00 s behind ±159 µs, drift +1.5 ppm",
    ]
    assert "Clocks    lab 5 min 00 s ahead ±159 µs" in render(result, width=100).plain
    assert "**Clocks**: lab 5 min 00 s ahead ±159 µs" in summary_md(result)


def test_one_host_has_nothing_to_say() -> None:
    """Whether one process did it all, or several that share a clock."""
    for result in (over(), over(None, None)):
        assert "Clocks" not in render(result, width=100).plain
        assert "Clocks" not in summary_md(result)
