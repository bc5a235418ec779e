"""
How often real comparisons are right: of ten of equal variants none finds a difference, of ten of unequal ones nine do.

Each comparison is of four rounds, so some fifty seconds. What this rests on is simulated, on recorded rounds too, in
tests/unit/result/test_recorded_rounds.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.processes import LOADTEST, Finished, Json, Processes

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(1_800)]

RUNS = 10
FOUND = 9
SHORT = ("steady-1kb", "--set", "variables.rate=500/s", "--set", "run.duration=1500ms", "--set", "run.warm_up=500ms")
COMPARE = (*LOADTEST, "compare", *SHORT, "--rounds", "4", "--min-effect", "2")
EITHER = "faults=[{at: 0s, do: slow-network, latency: 1us}]"
"""Both sides go through the proxy, so that it is not the difference."""


def findings(processes: Processes, url: str, *words: str) -> Iterator[list[Json]]:
    """Yield what each of `RUNS` comparisons finds."""
    for _ in range(RUNS):
        run = processes.start([*COMPARE, *words], LOADTEST_BROKER=url).wait(240.0)
        assert run.exit_code in {0, 5}, run.printed
        yield _findings(run)


def _findings(run: Finished) -> list[Json]:
    newest = max(run.folder.glob("results/*/compare.json"), key=lambda path: path.stat().st_mtime)
    found: list[Json] = json.loads(newest.read_text())["findings"]
    for finding in found:
        print(finding["metric"], finding["verdict"], finding["change"], finding["low"], finding["high"])  # noqa: T201  # read where it fails
    return found


def test_equal_variants(processes: Processes, vhost_url: str) -> None:
    """Ten A/A comparisons, each of all the usual figures: none is said to be better or worse."""
    said = [
        (number, finding["metric"], finding["verdict"])
        for number, found in enumerate(findings(processes, vhost_url, "--variant", "a", "--variant", "b"))
        for finding in found
    ]

    assert len(said) >= 5 * RUNS
    assert [each for each in said if each[2] in {"better", "worse"}] == []


@pytest.mark.parametrize(
    "slower, metrics",
    [
        pytest.param(
            "faults=[{at: 0s, do: slow-network, latency: 1ms}]", ["in.confirm.p50", "out.end_to_end.p50"], id="1-ms"
        ),
        pytest.param("variables.rate=475/s", ["in.published_rate", "out.delivered_rate"], id="5-percent"),
    ],
)
def test_a_known_slowdown(slower: str, metrics: list[str], processes: Processes, vhost_url: str) -> None:
    """Ten A/B comparisons: a millisecond more on the way, or a rate five percent lower, is worse in nine of ten."""
    words = ["--variant", f"a={EITHER}", "--variant", f"b={EITHER},{slower}" if "rate" in slower else f"b={slower}"]
    words += [word for metric in metrics for word in ("--metric", metric)]
    runs = list(findings(processes, vhost_url, *words))

    for metric in metrics:
        said = [finding["verdict"] for found in runs for finding in found if finding["metric"] == metric]
        assert len(said) == RUNS
        assert said.count("worse") >= FOUND, (metric, said)
