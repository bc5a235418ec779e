"""
What bounded the run: the generator, the broker, the machine they share, or only what was asked.

A figure is the broker's if the broker was the limit. What tells is who had processor time left: the busiest process of
the generator (one core is all it has), the broker's processes, and the machine's cores in all; and, where it is known
from `loadtest calibrate`, how much of what the generator can do the run asked of it. docs/method.md has the rules as a
table. What cannot be told is "unknown", never guessed.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final

from loadtest.result.document import BoundPart
from loadtest.result.evidence import MEASURED
from loadtest.result.units import share_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest.result.document import Bounding
    from loadtest.result.evidence import Evidence

BUSY_PROCESS: Final = 0.95
"""Cores. A process of the generator is one thread on one core: above this it has no time left."""

BUSY_MACHINE: Final = 0.9
"""Share of the machine's cores in use at which there is none left: the kernel's own work is in no process's account."""

OFFERED_TOLERANCE: Final = 0.01
"""Share of the offered rate. The goal is 0.1 % (design section 10); ten times that is no longer the load asked for."""

SPARE_SHARE: Final = 0.5
"""Of the calibrated rate: a generator that does less than this, with time to spare, is not what limits."""

LEAST_S: Final = 1.0
"""Shorter than this, the samples of processor time, one a second, say nothing."""


def find_bound(evidence: Evidence) -> BoundPart | None:
    """Return what bounded the run; None if it measured too little to tell."""
    generator = _mean(evidence, "cpu")
    if evidence.measured_s < LEAST_S or not evidence.measured_messages or generator is None:
        return None
    broker, machine, cores = _mean(evidence, "broker.cpu"), _mean(evidence, "machine.cpu"), evidence.cores
    by, why = _judged(evidence, generator, broker, machine)
    used = [f"the generator's busiest process {generator:.2f} cores"]
    if broker is not None:
        used.insert(0, f"the broker used {broker:.2f} cores")
    if machine is not None:
        used.append(f"the machine {machine:.2f}" + (f" of {cores}" if cores is not None else ""))
    return BoundPart(
        by=by,
        text=f"{why} ({', '.join(used)})",
        generator_cores=generator,
        broker_cores=broker,
        machine_cores=machine,
        share_of_calibrated=_share_of_calibrated(evidence),
    )


def _judged(evidence: Evidence, generator: float, broker: float | None, machine: float | None) -> tuple[Bounding, str]:
    if generator >= BUSY_PROCESS:
        return "generator", "a process of the generator had no time left; more of them would do more"
    if _is_on_schedule(evidence):
        return "schedule", "what was asked was done, and nobody was at a limit"
    is_full = machine is not None and evidence.cores is not None and machine >= BUSY_MACHINE * evidence.cores
    if is_full and broker is not None and machine is not None:
        if broker >= machine / 2:
            return "broker", "the machine had no time left, and the broker took most of it"
        return "machine", "the machine had no time left, and something else than the broker took most of it"
    share = _share_of_calibrated(evidence)
    if share is not None and share < SPARE_SHARE:
        return "broker", (
            f"the generator had time to spare at {share_text(share)} of what it can do against a broker that costs "
            "nothing, so it waited for this one (or the network)"
        )
    return "unknown", "nobody had used up its processor time; it may be a queue's single process, the disk or waiting"


def more_processes(evidence: Evidence) -> str:
    """Return what to do about a generator that had no time left: how many processes, and where."""
    hosts = {worker.host for worker in evidence.workers}
    if len(hosts) > 1:
        return f"Start more workers than the {evidence.processes} on {len(hosts)} hosts, or lower the rate"
    machine = _mean(evidence, "machine.cpu")
    if evidence.cores is None or machine is None:
        return f"Spread the users over more processes (--processes {evidence.processes + 1}), or lower the rate"
    free = int(evidence.cores - machine)
    if not free:
        used = f"{machine:.1f} of {evidence.cores}"
        return (
            f"Add workers on another host (docs/distributed.md): this one has no core left ({used} in use); or lower "
            "the rate"
        )
    left = f"{free} of {evidence.cores} {'core is' if free == 1 else 'cores are'} free"
    return f"Spread the users over more processes (--processes {evidence.processes + free}: {left}), or lower the rate"


def _is_on_schedule(evidence: Evidence) -> bool:
    """Return whether every publisher had a schedule, and kept it."""
    publishers = [group for group in evidence.groups.values() if group.kind == "publisher"]
    return bool(publishers) and all(
        group.rates.offered_per_s
        and group.rates.published_per_s is not None
        and abs(group.rates.published_per_s / group.rates.offered_per_s - 1) <= OFFERED_TOLERANCE
        for group in publishers
    )


def _share_of_calibrated(evidence: Evidence) -> float | None:
    """Return the time that one process would have needed for what was done, by its calibration, a second of the run."""
    works = evidence.calibrated
    if not works:
        return None
    needed = 0.0
    for group in evidence.groups.values():
        rates = group.rates
        has_confirms = group.totals.get("confirmed", 0) > 0
        work = "confirm" if has_confirms else "publish"
        needed += (rates.published_per_s or 0.0) / works[work]
        needed += (rates.delivered_per_s or 0.0) / works["consume"]
    return needed


def _mean(evidence: Evidence, gauge: str) -> float | None:
    values = [point.gauges[gauge] for point in evidence.timeline if point.phase == MEASURED and gauge in point.gauges]
    return fmean(values) if values else None


def calibrated_rates(generator: Mapping[str, object]) -> dict[str, float]:
    """Return messages a second by work of the calibration in a generator's fingerprint; empty if there is none."""
    calibration = generator.get("calibration")
    works = calibration.get("works") if isinstance(calibration, dict) else None
    if not isinstance(works, dict) or not {"publish", "confirm", "consume"} <= works.keys():
        return {}
    return {name: float(work["messages_per_s"]) for name, work in works.items()}
