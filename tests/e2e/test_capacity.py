"""`loadtest capacity` as a person types it: what is refused, and a limit that is known is found."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from loadtest.report.capacity.capacity_report import CAPACITY
from tests.e2e.processes import LOADTEST, Processes, wait_until

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


@pytest.mark.long
def test_a_short_search_interrupted_and_gone_on_with(processes: Processes, vhost_url: str) -> None:
    """
    Up to a rate that any broker holds: it is held twice, is a lower bound, and has its files.

    Ctrl-C ends it with 130 and what was tried; `--resume` tries what is missing; the files can be made again.
    """
    broker = {"LOADTEST_BROKER": vhost_url}
    words = ["--slo", "lost == 0", "--from", "200/s", "--most", "400/s", "--hold", "1s", "--set", "run.warm_up=0s"]
    running = processes.start([*LOADTEST, "capacity", "steady-1kb", *words], **broker)
    wait_until(lambda: "confirm 3: 400/s" in running.stderr, 40.0, "the third try")
    running.send(signal.SIGINT)
    interrupted = running.wait(20.0)
    folder = interrupted.results_folder
    before = json.loads((folder / "capacity.json").read_text())

    assert interrupted.exit_code == 130, interrupted.printed
    assert f"to go on: loadtest capacity --resume {folder.relative_to(interrupted.folder)}" in interrupted.stderr
    assert (before["complete"], before["exit_code"], len(before["probes"])) == (False, 130, 2)
    assert "So far" in (folder / "capacity.html").read_text()
    assert "starting a private" not in interrupted.stderr

    run = processes.run([*LOADTEST, "capacity", "--resume", str(folder), "--json", "-"], **broker)
    found = json.loads(run.stdout)

    assert run.exit_code == 0, run.printed
    assert (found["capacity_per_s"], found["is_lower_bound"], found["complete"]) == (400, True, True)
    assert [probe["rate_per_s"] for probe in found["probes"]] == [200, 400, 400]
    assert found["probes"][:2] == before["probes"]
    assert "at least 400/s" in run.stderr
    assert all((folder / probe["folder"]).is_dir() for probe in found["probes"])
    assert_files_again(folder)


def assert_files_again(folder: Path) -> None:
    """Fail unless a report of the folder makes the same files again."""
    files = {name: (folder / name).read_bytes() for name in ("capacity.html", "summary.md", "junit.xml")}
    for name in files:
        (folder / name).unlink()

    assert CAPACITY.publish(folder, CAPACITY.read(folder), {}, None) == 0
    assert {name: (folder / name).read_bytes() for name in files} == files
    assert files["capacity.html"].count(b'href="probes/') == 3
    assert b"| 400/s |" in files["summary.md"]


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
