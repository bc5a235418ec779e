"""
What bounded the run: the generator, the broker, the machine they share, who takes, an outage, or what was asked.

A figure is the broker's if the broker was the limit. What tells is who had processor time left: the busiest process of
the generator (one core is all it has), the broker's processes, and the machine's cores in all; and, where it is known
from `loadtest calibrate`, how much of what the generator can do the run asked of it. docs/method.md has the rules as a
table. What cannot be told is "unknown", never guessed.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from loadtest.result.interference import others_cores, others_text
from loadtest.result.run.backlog import is_growing
from loadtest.result.run.causes.scenario_faults import faults_text, measured_faults
from loadtest.result.run.document import BoundPart
from loadtest.result.run.evidence import MEASURED, named
from loadtest.result.run.takers import slowest_takers
from loadtest.result.run.unavailability import long_stalls, outage_s
from loadtest.result.units import share_text, span_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtest.result.run.document import Bounding, CheckPart
    from loadtest.result.run.evidence import Evidence

BUSY_PROCESS: Final = 0.95
"""Cores. A process of the generator is one thread on one core: above this it has no time left."""

BUSY_MACHINE: Final = 0.9
"""Share of the machine's cores in use at which there is none left: the kernel's own work is in no process's account."""

OFFERED_TOLERANCE: Final = 0.01
"""Share of the offered rate. The goal is 0.1 %; ten times that is no longer the load asked for."""

STILL_SHARE: Final = 0.05
"""Of the measured part: rates of a run that stood still for longer say how long that was, and little else."""

MOSTLY_STILL_SHARE: Final = 0.25
"""The same where there was no processor time left, which makes pauses by itself."""

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


def find_bound(evidence: Evidence, checks: Sequence[CheckPart] = ()) -> BoundPart | None:
    """Return what bounded the run, whose thresholds came to *checks*; None if it measured too little to tell."""
    generator = _mean(evidence, "cpu")
    if evidence.measured_s < LEAST_S or not evidence.measured_messages or generator is None:
        return None
    broker, machine, cores = _mean(evidence, "broker.cpu"), _mean(evidence, "machine.cpu"), evidence.cores
    by, why = _judged(evidence, checks)
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


def _judged(evidence: Evidence, checks: Sequence[CheckPart]) -> tuple[Bounding, str]:
    generator, broker, machine = (_mean(evidence, name) for name in ("cpu", "broker.cpu", "machine.cpu"))
    limit = processor_limit(generator or 0.0, broker, machine, evidence.cores)
    if limit != "generator":
        found = _stood_still(evidence, STILL_SHARE if limit is None else MOSTLY_STILL_SHARE) or _busy_takers(evidence)
        if found is None and _is_on_schedule(evidence):
            found = _on_schedule(evidence, checks)
        if found is not None:
            return found
    if limit is not None:
        return limit, PROCESSOR_TEXTS[limit]
    share = _share_of_calibrated(evidence)
    if share is not None and share < SPARE_SHARE:
        return "broker", (
            f"the generator had time to spare at {share_text(share)} of what it can do against a broker that costs "
            "nothing, so it waited for this one (or the network)"
        )
    return "unknown", "nobody had used up its processor time; it may be a queue's single process, the disk or waiting"


def _stood_still(evidence: Evidence, share: float) -> tuple[Bounding, str] | None:
    """Return what kept a run from moving for more than a *share* of its measured part; None if nothing did."""
    stalls = long_stalls(evidence)
    stalled_s = max((sum(end - start for start, end in spans) for spans in stalls.values()), default=0.0)
    if stalled_s > share * evidence.measured_s:
        return "generator", f"a process of the generator stood still for {span_text(stalled_s)}"
    out_s, group = max(((outage_s(evidence, name), name) for name in evidence.groups), default=(0.0, ""))
    if out_s > share * evidence.measured_s:
        what = "confirm" if evidence.groups[group].kind == "publisher" else "delivery"
        return "outage", f"{named(evidence, group)} got no {what} for {span_text(out_s)} though something was due"
    return None


def _busy_takers(evidence: Evidence) -> tuple[Bounding, str] | None:
    takers = slowest_takers(evidence)
    return None if takers is None else ("consumers", takers.text)


def _on_schedule(evidence: Evidence, checks: Sequence[CheckPart]) -> tuple[Bounding, str]:
    """Return what is to be said of a run whose publishers kept their schedule: whether that is all there is to it."""
    if is_machine_full(evidence):
        others = others_text(others_cores(evidence))
        why = f", and {others}" if others else ""
        return "machine", f"the schedule was kept, but the machine had no processor time left{why}: latencies show it"
    if is_growing(evidence):
        faults = measured_faults(evidence, after_share=1 / 3)
        why = f"the likely cause is {faults_text(faults)}" if faults else "they were not taken as fast"
        return "unknown", f"the schedule was kept, but messages waited longer and longer: {why}"
    failed = sum(not check.ok for check in checks)
    if failed:
        return "unknown", (
            f"the schedule was kept and nobody had used up its processor time, but {failed} of {len(checks)} "
            f"threshold{'s' if len(checks) > 1 else ''} failed"
        )
    return "schedule", "what was asked was done, and nobody was at a limit"


def is_machine_full(evidence: Evidence) -> bool:
    """Return whether the generator's machine had no processor time left in the measured part, as far as is known."""
    machine = _mean(evidence, "machine.cpu")
    return machine is not None and evidence.cores is not None and machine >= BUSY_MACHINE * evidence.cores


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
