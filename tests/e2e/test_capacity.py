"""`loadtest capacity` as a person types it: what is refused, and a limit that is known is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Processes

pytestmark = pytest.mark.e2e

# Bodies of 10 KB with 0.1 KB of frames around them, over a link of 2 MB/s: 197 a second.
NARROW = """
name: narrow
topology: {queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {size: 10KB}, rate: 100/s, confirm_window: 100}}
consumers: {out: {queue: q, ack: every 10}}
run: {duration: 4s, drain: 5s}
faults: [{at: 0s, do: slow-network, bandwidth: 2MB/s}]
"""
FRAMES_BYTES = 120


@pytest.mark.parametrize(
    "words, told",
    [
        (["steady-1kb"], "--slo is needed"),
        (["steady-1kb", "--slo", "in.confirm.p99"], "--slo: found"),
        (["steady-1kb", "--slo", "out.confirm.p99 < 1ms"], "confirm of"),
        (["steady-1kb", "--slo", "in.confirm.p99 < 1ms", "--from", "fast"], "--from: found 'fast'"),
        (["consume-autoack", "--slo", "lost == 0"], "this scenario has none"),
    ],
    ids=["no slo", "no threshold", "unknown metric", "no rate", "no publisher"],
)
def test_what_cannot_be_searched_is_refused(processes: Processes, words: list[str], told: str) -> None:
    """Before a broker is started, in a line."""
    run = processes.run([*LOADTEST, "capacity", *words])

    assert run.exit_code == 2
    assert told in run.stderr
    assert "RabbitMQ" not in run.stderr


def test_a_short_search(processes: Processes, vhost_url: str) -> None:
    """Up to a rate that any broker holds: it is held twice, is a lower bound, and has its files."""
    words = ["--slo", "lost == 0", "--from", "200/s", "--most", "400/s", "--hold", "1s", "--set", "run.warm_up=0s"]
    run = processes.run([*LOADTEST, "capacity", "steady-1kb", "--broker", vhost_url, *words])
    (folder,) = Path(processes.folder, "results").iterdir()
    found = json.loads((folder / "capacity.json").read_text())

    assert run.exit_code == 0, run.printed
    assert (found["capacity_per_s"], found["is_lower_bound"], found["complete"]) == (400, True, True)
    assert [probe["rate_per_s"] for probe in found["probes"]] == [200, 400, 400]
    assert "at least 400/s" in run.stdout
    assert "| 400/s |" in (folder / "summary.md").read_text()
    assert all((folder / probe["folder"]).is_dir() for probe in found["probes"])


@pytest.mark.long
@pytest.mark.alone
def test_a_known_limit_is_found(processes: Processes, tmp_path: Path) -> None:
    """What a link of a known bandwidth carries, to five percent."""
    path = tmp_path / "narrow.yaml"
    path.write_text(NARROW)
    running = processes.start(
        [*LOADTEST, "capacity", str(path), "--slo", "in.confirm.p50 < 500ms", "--hold", "6s", "--precision", "3"]
    )
    run = running.wait(400)
    (folder,) = Path(processes.folder, "results").iterdir()
    found = json.loads((folder / "capacity.json").read_text())

    assert run.exit_code == 0, run.printed
    assert found["capacity_per_s"] == pytest.approx(2_000_000 / (10_000 + FRAMES_BYTES), rel=0.05)
