"""
What this generator can do on this machine: short runs against a null broker.

They are ordinary runs, of `loadtest run`, each in a process of its own, so what is measured is what runs do; and each
is believed only if the null broker counted the same. About ten seconds in all.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from loadtest.broker.processes.child_process import start_child
from loadtest.calibration.null_session import read_counts
from loadtest.errors import BrokerError, ResultsError

BODY: Final = "12B"
WARM_UP_S: Final = 0.4
MEASURED_S: Final = 1.2
# A run of two seconds; a machine that needs ten times that cannot be calibrated.
RUN_TIMEOUT_S: Final = 30.0
_START_TIMEOUT_S: Final = 10.0
_CONSUMER: Final[dict[str, Any]] = {"queue": "null"}
# The null broker replays the first message for ever.
_REPLAYED: Final[dict[str, Any]] = {"confirm_window": 0, "rate": "10/s"}


@dataclass(frozen=True, slots=True)
class Work:
    """
    One thing that is measured.

    Attributes:
        title: What it is, for people.
        publisher, consumer: What is particular to their groups; without a consumer there is none.
        counter: Which of the run's totals is measured.
    """

    title: str
    publisher: dict[str, Any]
    consumer: dict[str, Any] | None
    counter: str


WORKS: Final = {
    "publish": Work("publish, no confirms", {"confirm_window": 0}, None, "published"),
    "confirm": Work("publish, 192 unconfirmed", {"confirm_window": 192}, None, "published"),
    "consume": Work("consume, auto-ack", _REPLAYED, {**_CONSUMER, "ack": "auto"}, "delivered"),
    "consume_acks": Work(
        "consume, ack every 200", _REPLAYED, {**_CONSUMER, "ack": "every 200", "prefetch": 200}, "delivered"
    ),
}


def measure(tell: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """
    Return messages a second and µs of processor time a message, by work.

    Args:
        tell: Called with the title of each work before it is done.

    Raises:
        BrokerError: If the null broker does not start.
        ResultsError: If a run fails, or the null broker counted something else.
    """
    figures = {}
    with tempfile.TemporaryDirectory(prefix="loadtest-calibration-") as name:
        for work_name, work in WORKS.items():
            tell(work.title)
            folder = Path(name) / work_name
            folder.mkdir()
            with null_broker(folder) as (url, counts):
                result = _run(work, url, folder)
                _compare(work, result, counts)
            figures[work_name] = _figures(work, result)
    return figures


@contextlib.contextmanager
def null_broker(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give the URL of a null broker, and the file of its counters; it ends with this process, however that ends."""
    counts, output = folder / "counts", folder / "null-broker"
    command = [sys.executable, "-m", "loadtest.calibration.null_broker", "--counts", str(counts)]
    process = start_child(command, environ=os.environ, folder=Path.cwd(), output=output, bound=True)
    try:
        yield f"amqp://guest:guest@127.0.0.1:{_port(process, output)}/%2F", counts
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], output: Path) -> int:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        text = output.read_text()
        if text.endswith("\n") and text.strip().isdigit():
            return int(text)
        time.sleep(0.01)
    raise BrokerError(f"the null broker did not start: {output.read_text().strip() or 'it said nothing'}")


def _run(work: Work, url: str, folder: Path) -> dict[str, Any]:
    scenario: dict[str, Any] = {
        "name": "calibration",
        "topology": {"queues": {"null": {"durable": True}}},
        "publishers": {"in": {"routing_key": "null", "body": {"size": BODY}, "mandatory": False, **work.publisher}},
        "run": {"duration": f"{MEASURED_S}s", "warm_up": f"{WARM_UP_S}s", "drain": "1s"},
    }
    if work.consumer is not None:
        scenario["consumers"] = {"out": work.consumer}
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(scenario))
    words = ["run", str(path), "--broker", url, "--results", str(folder / "results")]
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "loadtest", *words],
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ResultsError(f"calibration: {work.title}: the run did not end within {RUN_TIMEOUT_S:g} s") from None
    documents = list((folder / "results").glob("*/result.json"))
    if not documents:
        raise ResultsError(f"calibration: {work.title}: the run failed: {ended.stderr.strip()[-400:]}")
    result: dict[str, Any] = json.loads(documents[0].read_text())
    return result


def _compare(work: Work, result: dict[str, Any], counts: Path) -> None:
    """Believe a run only if the null broker counted what it says; a delivery may be on its way when a run ends."""
    counted = dict(zip(("published", "delivered"), read_counts(counts), strict=True))[work.counter]
    said = result["totals"][work.counter]
    if not said or said > counted or (work.counter == "published" and said != counted):
        raise ResultsError(
            f"calibration: {work.title}: the run {work.counter} {said:,}, the null broker says {counted:,}"
        )


def _figures(work: Work, result: dict[str, Any]) -> dict[str, float]:
    group = result["groups"]["in" if work.counter == "published" else "out"]
    rate = group["rates"][f"{work.counter}_per_s"]
    cpu = [point["gauges"]["cpu"] for point in result["timeline"] if point["phase"] == "measured"]
    if not rate or not cpu:
        raise ResultsError(f"calibration: {work.title}: nothing was measured; the machine is too busy")
    return {"messages_per_s": rate, "cpu_us_per_message": fmean(cpu) / rate * 1e6}
