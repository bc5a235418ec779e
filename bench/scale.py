"""
`python -m bench.scale`: what a master costs with 10, 100 and 1,000 workers, and what their windows weigh.

A real master (`locust --master` with this project's locustfile, against a private broker) leads simulated workers over
real sockets. What is real and what is simulated, and what the figures mean, is in docs/scale.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.generators import ROOT
from bench.machine import describe_machine, load_average
from bench.process_group import ProcessGroup
from bench.scale_traffic import PROFILES, RECORDED, Profile, recording_of, scenario_of
from loadtest.broker.private.ports import PortBlock
from loadtest.broker.private.private_node import PrivateNode

RESULTS: Final = ROOT / "results" / "bench-scale.json"
WORKERS: Final = (10, 100, 1_000)
DURATION_S: Final = 26.0
# A process simulates so many workers: with more, its own time shows in how soon windows arrive.
WORKERS_A_PROCESS: Final = 500
# Goal of issue 8 in cores, at 100 workers.
GOAL_CORES: Final = 0.5
_START_S: Final = 60.0
_END_S: Final = 300.0
_INTERRUPTED: Final = 130
_NS_PER_US: Final = 1e3
_NS_PER_MS: Final = 1e6
_S_PER_MIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Trial:
    """
    One run of a master.

    Attributes:
        load: The machine's load average before it.
        cores: Processor time of the master a second, by part: `in all`, the parts of `bench.scale_master`, `Locust and
            event loop`, `other threads`.
        figures: `wire_bytes` and `journal_bytes` a window; `received_bytes_per_s`; `windows_per_s`; `window_s`, the
            length of a window; `intake_p50_ms` and `intake_max_ms` from the end of a window to when it is taken in;
            `resident_bytes`; `grown_bytes_per_min`.
        error: Why it cannot be counted; None if all is well.
    """

    profile: str
    workers: int
    load: float
    cores: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None


def cores_of(samples: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the processor time a second by part, between the first and the last sample."""
    first, last = samples[0], samples[-1]
    wall_ns = last["at_ns"] - first["at_ns"]
    process_ns, main_ns = (last[name] - first[name] for name in ("process_ns", "main_ns"))
    parts = {part: ns - first["parts_ns"].get(part, 0) for part, ns in last["parts_ns"].items()}
    rest = {"Locust and event loop": main_ns - sum(parts.values()), "other threads": process_ns - main_ns}
    return {part: ns / wall_ns for part, ns in {"in all": process_ns, **parts, **rest}.items()}


def growth_bytes_per_min(samples: Sequence[Mapping[str, Any]]) -> float:
    """Return by how much resident memory grows a minute: the slope of the line through the samples."""
    at_s = [sample["at_ns"] / 1e9 for sample in samples]
    return statistics.linear_regression(at_s, [sample["resident_bytes"] for sample in samples]).slope * _S_PER_MIN


def figures_of(told: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of what a master has written, but for the journal's."""
    samples, intake_ns = told["samples"], sorted(told["intake_ns"])
    first, last = samples[0], samples[-1]
    wall_s = (last["at_ns"] - first["at_ns"]) / 1e9
    return {
        "wire_bytes": (last["answer_bytes"] - first["answer_bytes"]) / (last["answers"] - first["answers"]),
        "received_bytes_per_s": (last["received_bytes"] - first["received_bytes"]) / wall_s,
        "windows_per_s": (last["windows"] - first["windows"]) / wall_s,
        "window_s": statistics.median(told["window_ns"]) / 1e9,
        "intake_p50_ms": statistics.median(intake_ns) / _NS_PER_MS,
        "intake_max_ms": intake_ns[-1] / _NS_PER_MS,
        "resident_bytes": last["resident_bytes"],
        "grown_bytes_per_min": growth_bytes_per_min(samples),
    }


def journal_bytes_of(lines: Sequence[bytes]) -> float:
    """Return the mean size of a window with traffic in a journal, in bytes."""
    sizes = [len(line) for line in lines if line.startswith(b'{"type":"window"') and b'"histograms"' in line]
    return statistics.mean(sizes)


def fault_of(result: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a result whose messages all came, by its own books; None if nothing."""
    totals = result["totals"]
    if not result["complete"]:
        return "the run is not complete"
    if totals["lost"] or totals["duplicates"] or not totals["published"] == totals["confirmed"] == totals["delivered"]:
        return f"the books do not close: {totals}"
    return None


def run_trial(profile: Profile, workers: int, url: str, duration_s: float) -> Trial:
    """Run a master with so many simulated workers."""
    load = round(load_average(), 2)
    with tempfile.TemporaryDirectory(prefix="loadtest-scale-") as name:
        folder = Path(name)
        try:
            with PortBlock.reserve() as ports:
                told = _conduct(profile, workers, url, duration_s, folder, str(ports.free[0]))
        except RuntimeError as error:
            return Trial(profile.name, workers, load, error=str(error))
        (run,) = (folder / "results").iterdir()
        lines = (run / "windows.jsonl").read_bytes().splitlines(keepends=True)
        fault = fault_of(json.loads((run / "result.json").read_text()))
        figures = {**figures_of(told), "journal_bytes": journal_bytes_of(lines)}
    return Trial(profile.name, workers, load, cores_of(told["samples"]), figures, fault)


def _conduct(profile: Profile, workers: int, url: str, duration_s: float, folder: Path, port: str) -> dict[str, Any]:
    scenario = folder / "scenario.yaml"
    scenario.write_text(scenario_of(profile, workers, duration_s))
    told = folder / "told.json"
    master = [sys.executable, "-m", "bench.scale_master", str(told), "-f", str(ROOT / "loadtest" / "main.py")]
    master += ["--headless", "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    master += [
        "--expect-workers",
        str(workers),
        "--expect-workers-max-wait",
        f"{_START_S:g}",
        "--scenario",
        str(scenario),
        "--broker",
        url,
    ]
    master += ["--results", str(folder / "results")]
    with contextlib.ExitStack() as opened:
        leading = opened.enter_context(ProcessGroup(master, folder, {}, ROOT))
        for first in range(0, workers, WORKERS_A_PROCESS):
            of_worker = ["--profile", profile.name, "--workers", str(workers), "--port", port]
            of_worker += ["--first", str(first), "--count", str(min(WORKERS_A_PROCESS, workers - first))]
            own = folder / f"workers-{first}"
            own.mkdir()
            command = [sys.executable, "-m", "bench.scale_workers", *of_worker]
            opened.enter_context(ProcessGroup(command, own, {}, ROOT))
        code, _ = leading.wait(_START_S + duration_s + _END_S)
        if code != 0:
            raise RuntimeError(f"the master ended with {code}: {leading.output().strip()[-500:]}")
    document: dict[str, Any] = json.loads(told.read_text())
    if len(document["samples"]) < 3:  # noqa: PLR2004 -- two are a difference, three a line
        raise RuntimeError("the run was too short to be sampled")
    return document


def spread(values: Sequence[float], form: str) -> str:
    """Return the least and the largest of *values*, once if they look the same."""
    least, largest = (format(value, form) for value in (min(values), max(values)))
    return least if least == largest else f"{least} to {largest}"


def costs_table(trials: Sequence[Trial]) -> Table:
    """Return what the master used by part, in µs of processor time a window; its spread over rounds."""
    table = Table(title="processor time of the master, µs a window")
    table.add_column("part")
    cells: dict[str, list[str]] = {}
    for (profile, workers), found in _by_case(trials).items():
        table.add_column(f"{profile}\n{workers:,}", justify="right")
        for part in {part: None for trial in found for part in trial.cores}:
            cells.setdefault(part, [])
    for part, row in cells.items():
        for found in _by_case(trials).values():
            row.append(
                spread([1e6 * trial.cores.get(part, 0) / trial.figures["windows_per_s"] for trial in found], ",.0f")
            )
        table.add_row(part, *row)
    return table


def figures_table(trials: Sequence[Trial]) -> Table:
    """Return sizes, times and memory; their spread over rounds."""
    table = Table(title="windows and memory")
    for heading in (
        "profile",
        "workers",
        "cores needed",
        "µs a window",
        "bytes on the wire",
        "bytes in the journal",
        "MB/s received",
    ):
        table.add_column(heading, justify="left" if heading == "profile" else "right")
    for heading in ("windows/s", "s a window", "taken in, ms p50", "ms max", "MB", "MB/min"):
        table.add_column(heading, justify="right")
    for (profile, workers), found in _by_case(trials).items():
        figures = {name: [trial.figures[name] for trial in found] for name in found[0].figures}
        costs = [1e6 * needed_cores(trial) / trial.workers for trial in found]
        table.add_row(
            profile,
            f"{workers:,}",
            spread([needed_cores(trial) for trial in found], ".2f"),
            spread(costs, ",.0f"),
            spread(figures["wire_bytes"], ",.0f"),
            spread(figures["journal_bytes"], ",.0f"),
            spread([value / 1e6 for value in figures["received_bytes_per_s"]], ".2f"),
            spread(figures["windows_per_s"], ",.1f"),
            spread(figures["window_s"], ".2f"),
            spread(figures["intake_p50_ms"], ",.0f"),
            spread(figures["intake_max_ms"], ",.0f"),
            spread([value / 1e6 for value in figures["resident_bytes"]], ",.0f"),
            spread([value / 1e6 for value in figures["grown_bytes_per_min"]], ",.1f"),
        )
    return table


def needed_cores(trial: Trial) -> float:
    """
    Return what the master needs for a window a second of each worker; it gets less where others take the machine.

    Too much where windows become longer than a second: there are more heartbeats to each then.
    """
    return trial.cores["in all"] / trial.figures["windows_per_s"] * trial.workers


def verdict_of(trials: Sequence[Trial]) -> list[str]:
    """Return whether the goal is met, a sentence a profile; nothing where no trial tells."""
    told = []
    for (profile, workers), found in _by_case(trials).items():
        if workers == 100:  # noqa: PLR2004 -- the goal's
            cores = [needed_cores(trial) for trial in found]
            word = "met" if max(cores) <= GOAL_CORES else "missed"
            told.append(f"{profile}, {workers} workers: {spread(cores, '.2f')} cores, goal {GOAL_CORES:g}: {word}")
    return told


def _by_case(trials: Sequence[Trial]) -> dict[tuple[str, int], list[Trial]]:
    cases: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        if trial.error is None:
            cases.setdefault((trial.profile, trial.workers), []).append(trial)
    return cases


def record(path: Path = RECORDED) -> None:
    """Write the recording anew: the windows of real runs on a private broker."""
    windows = {}
    for profile in PROFILES.values():
        if recording_of(profile) not in windows:
            windows[recording_of(profile)] = _recorded(profile)
    path.write_text(json.dumps({"machine": describe_machine(), "windows": windows}, indent=1) + "\n")


def _recorded(profile: Profile) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="loadtest-scale-") as name:
        folder = Path(name)
        (folder / "scenario.yaml").write_text(scenario_of(profile, profile.workers_a_queue, 10))
        command = [sys.executable, "-m", "loadtest", "run", str(folder / "scenario.yaml")]
        with ProcessGroup([*command, "--results", str(folder / "results")], folder, {}, ROOT) as running:
            code, _ = running.wait(_START_S + _END_S)
            if code != 0:
                raise RuntimeError(f"the run ended with {code}: {running.output()[-500:]}")
        (run,) = (folder / "results").iterdir()
        records = map(json.loads, (run / "windows.jsonl").read_text().splitlines())
        windows = [each for each in records if each["type"] == "window" and each["phase"] == "measured"]
    return [window | {"worker": "recorded"} for window in windows[2:8]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials; 0 if each could be counted."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="Measure the cost of a master.")
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS), metavar="N")
    parser.add_argument("--profiles", nargs="+", choices=list(PROFILES), default=list(PROFILES), metavar="PROFILE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=DURATION_S, metavar="S")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where all trials go")
    parser.add_argument("--record", action="store_true", help="write the recorded windows anew, from real runs")
    options = parser.parse_args(arguments)
    # As Ctrl-C: broker, master and workers are ended, what was measured is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.record:
        record()
        return 0
    cases = [(PROFILES[name], workers) for workers in options.workers for name in options.profiles]
    for profile, workers in cases:
        if workers < 1 or workers % profile.workers_a_queue:
            parser.error(
                f"--workers {workers}: with {profile.name} it is a multiple of {profile.workers_a_queue}, from 1 on"
            )
    console = Console() if sys.stdout.isatty() else Console(width=180)
    trials: list[Trial] = []
    code = 0
    with PrivateNode.start(progress=console.print) as node:
        try:
            for _ in range(options.rounds):
                for profile, workers in cases:
                    trials.append(run_trial(profile, workers, node.endpoint.url, options.duration))
                    console.print(_line(trials[-1]), highlight=False)
        except KeyboardInterrupt:
            code = _INTERRUPTED
    console.print(costs_table(trials), figures_table(trials))
    for sentence in verdict_of(trials):
        console.print(sentence)
    _write(options.json, trials)
    return code or int(any(trial.error is not None for trial in trials))


def _line(trial: Trial) -> str:
    if trial.error is not None:
        return f"{trial.profile}, {trial.workers:,} workers: failed: {trial.error}"
    return f"{trial.profile}, {trial.workers:,} workers: {needed_cores(trial):.2f} cores needed"


def _write(path: Path, trials: Sequence[Trial]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": describe_machine(),
        "trials": [asdict(trial) for trial in trials],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
