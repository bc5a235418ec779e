"""
A run against the frames that it sent and received: counts, the gap of an outage, and latencies.

The frames are read by a proxy between the run and the broker, and by tshark where it is installed; both are taken apart
by `tests.e2e.broken.wire_frames`, which shares no code with the tool. The proxy stands still for a while in the middle.
"""

from __future__ import annotations

import contextlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtest.broker.endpoint import Endpoint
from tests.e2e.broken.gaps import assert_outages_on_wire
from tests.e2e.broken.tap import Capture, Tap, has_tshark
from tests.e2e.broken.wire_frames import Wire, read_wire
from tests.e2e.processes import LOADTEST, Json, Processes

# One run for all of them: kept to one process.
pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("witnessed")]

HELD_S = 1.5
COUNTED = ("published", "confirmed", "nacked", "returned", "delivered", "got", "get_empty")
SCENARIO = """
name: witnessed
topology:
  exchanges: {witnessed: {type: direct}}
  queues: {witnessed-q: {}, witnessed-r: {}}
  bindings:
    - {exchange: witnessed, queue: witnessed-q, routing_key: a}
    - {exchange: witnessed, queue: witnessed-r, routing_key: b}
publishers:
  in:
    users: 2
    client: CLIENT
    exchange: witnessed
    routing_key: [a, b, nowhere, a]
    rate: 400/s
    confirm_window: WINDOW
consumers:
  out: {users: 2, client: CLIENT, queue: witnessed-q, prefetch: 40, ack: every 7, reject: 5%}
getters:
  rest: {client: CLIENT, queue: witnessed-r, rate: 300/s, ack: every 3}
run: {duration: DURATION, drain: 20s}
"""


@dataclass(frozen=True)
class Seen:
    """A result beside what each witness saw."""

    result: Json
    journal: Path
    witnesses: dict[str, Wire]

    def summary(self) -> str:
        """Return the figures in a line for each witness, the result's own first."""
        totals, latency = self.result["totals"], self.result["groups"]["out"]["latency"]["end_to_end_uncorrected"]
        outages = self.result["groups"]["in"]["outages"]
        told = [f"{name} {totals[name]}" for name in COUNTED]
        gap_s = max(each["end_s"] - each["start_s"] for each in outages)
        lines = [f"result: {', '.join(told)}, gap {gap_s:.4f} s, p50 {latency['p50_ns'] / 1000:.0f} us"]
        for witness, wire in self.witnesses.items():
            seen = [f"{name} {getattr(wire, name)}" for name in COUNTED]
            times = wire.latencies_s()
            middle_us = times[len(times) // 2] * 1e6
            lines.append(f"{witness}: {', '.join(seen)}, gap {wire.longest_gap_s:.4f} s, p50 {middle_us:.0f} us")
        return "\n".join(lines)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("bulk", 64, 5), id="bulk"),
        pytest.param(("blocking", 1, 5), id="blocking", marks=pytest.mark.long),
        pytest.param(("bulk", 64, 40), id="bulk for 40 s", marks=pytest.mark.long),
    ],
)
def seen(request: pytest.FixtureRequest, broker_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One run, with all its witnesses."""
    client, window, duration_s = request.param
    folder = tmp_path_factory.mktemp("witnessed")
    processes = Processes(folder)
    words = {"CLIENT": client, "WINDOW": str(window), "DURATION": f"{duration_s}s"}
    text = SCENARIO
    for word, value in words.items():
        text = text.replace(word, value)
    (folder / "witnessed.yaml").write_text(text)
    with Tap(broker_endpoint.host, broker_endpoint.port) as tap:
        capture = Capture(folder, [tap.port]) if has_tshark() else None
        with capture or contextlib.nullcontext():
            url = broker_endpoint.url.replace(f":{broker_endpoint.port}/", f":{tap.port}/")
            running = processes.start([*LOADTEST, "run", "witnessed.yaml"], LOADTEST_BROKER=url)
            running.wait_measured(windows=2)
            tap.hold(HELD_S)
            run = running.wait(duration_s + 60)
        witnesses = {"tap": read_wire(tap.streams)}
    if capture is not None:
        witnesses["tshark"] = read_wire(capture.streams())
    processes.end()
    assert list(Path(folder).glob("results/*/result.json")), run.printed
    seen = Seen(run.result, run.results_folder / "windows.jsonl", witnesses)
    sys.stderr.write(seen.summary() + "\n")  # with `pytest -s`: what docs/method.md has is from here
    return seen


def test_counts_are_those_of_the_frames(seen: Seen) -> None:
    """Published, confirmed, returned, delivered, got, Get-Empty, acks and refusals: equal to the last one."""
    totals = seen.result["totals"]
    for witness, wire in seen.witnesses.items():
        assert {name: getattr(wire, name) for name in COUNTED} == {name: totals[name] for name in COUNTED}, witness
        assert wire.refused == totals["rejected"]
        # All that came is answered in the end: what is left of a multiple is acknowledged when the run is over.
        assert wire.acked == totals["delivered"] + totals["got"] - totals["rejected"]
    assert totals["published"] > totals["returned"] > 0 < totals["rejected"]


def test_an_outage_is_the_gap_between_acks(seen: Seen) -> None:
    """The outage of the publishers is the longest time without an ack on the wire, to a tenth of a second."""
    for wire in seen.witnesses.values():
        assert wire.longest_gap_s >= HELD_S * 0.9
        assert_outages_on_wire(wire, seen.result, seen.journal)


def test_latencies_are_those_of_the_frames(seen: Seen) -> None:
    """From writing to reading is never less than the way on the wire, and more only by the generator's own delays."""
    latency = seen.result["groups"]["out"]["latency"]["end_to_end_uncorrected"]
    for witness, wire in seen.witnesses.items():
        under_way = wire.latencies_s()
        assert len(under_way) == latency["count"] == seen.result["totals"]["delivered"], witness
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            wire_ns = under_way[math.ceil(len(under_way) * share) - 1] * 1e9
            # The histogram's own error is 0.1 %; the two clocks are read apart.
            assert latency[f"{name}_ns"] >= wire_ns * 0.998 - 1000, (witness, name)
