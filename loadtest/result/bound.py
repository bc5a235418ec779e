"""
What bounded the run: the generator, the broker, the machine they share, or only what was asked.

A figure is the broker's if the broker was the limit. What tells is who had processor time left: the busiest process of
the generator (one core is all it has), the broker's processes, and the machine's cores in all; and, where it is known
from `loadtest calibrate`, how much of what the generator can do the run asked of it. docs/method.md has the rules as a
table. What cannot be told is "unknown", never guessed.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

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

Processor: TypeAlias = Literal["generator", "broker", "machine"]
PROCESSOR_TEXTS: Final[dict[Processor, str]] = {
    "generator": "a process of the generator had no time left; more of them would do more",
    "broker": "the machine had no time left, and the broker took most of it",
    "machine": "the machine had no time left, and something else than the broker took most of it",
}

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
    limit = processor_limit(generator, broker, machine, evidence.cores)
    if limit != "generator" and _is_on_schedule(evidence):
        return "schedule", "what was asked was done, and nobody was at a limit"
    if limit is not None:
        return limit, PROCESSOR_TEXTS[limit]
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


def processor_limit(
    generator: float, broker: float | None, machine: float | None, cores: int | None
) -> Processor | None:
    """
    Return whose processor time was used up; None if nobody's, or if it is not known.

    Args:
        generator: Cores that its busiest process used, on average.
        broker: Cores that the broker used on this machine.
        machine: Cores in use by anything.
        cores: That the machine has.
    """
    if generator >= BUSY_PROCESS:
        return "generator"
    if broker is None or machine is None or cores is None or machine < BUSY_MACHINE * cores:
        return None
    return "broker" if broker >= machine / 2 else "machine"


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
