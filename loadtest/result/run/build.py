"""
From a Collector to the document: what came, then what it means.

A pure function of the records of a run, so that live and from a journal the same document comes out. Totals are of the
whole run and from the merged ledger; rates and latencies are of the measured part. Knows no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import JsonValue

from loadtest.clock import NS_PER_S, NS_PER_US
from loadtest.errors import ResultsError, ScenarioError
from loadtest.measure.collector import Collector
from loadtest.redaction import redacted, redacted_json, redacted_value
from loadtest.result.run.bottleneck import calibrated_rates, find_bound
from loadtest.result.run.document import (
    CheckPart,
    EventPart,
    PhasePart,
    PointGroupPart,
    PointLatencyPart,
    PointPart,
    RunResult,
    ScenarioPart,
)
from loadtest.result.run.evidence import Evidence, NotBegun
from loadtest.result.run.findings import find
from loadtest.result.run.group_parts import build_groups
from loadtest.result.run.ledger_part import build_ledger, build_totals, close_books
from loadtest.result.run.metric_figures import DocumentFigures
from loadtest.result.run.thresholds import check_thresholds
from loadtest.result.run.verdict import judge
from loadtest.result.run.worker_parts import build_workers
from loadtest.scenario.grammar.threshold import Threshold, parse_threshold
from loadtest.scenario.loading.loader import load_scenario
from loadtest.scenario.loading.secrets_in_yaml import redacted_override, redacted_scenario

_MOVED: Final = ("published", "delivered", "got")


def build_result(collector: Collector) -> RunResult:
    """
    Return the result of the run that *collector* holds.

    Raises:
        ResultsError: If it holds no run record.
    """
    if not collector.run:
        raise ResultsError("there is no result: the journal has no run record")
    evidence = _evidence(collector)
    checks = _checks(collector.run["scenario"], evidence)
    evidence = replace(evidence, bound=find_bound(evidence, checks))
    return RunResult(
        complete=collector.complete,
        interrupted=evidence.is_interrupted,
        scenario=_scenario(collector.run["scenario"]),
        broker=_mapping(collector.run.get("broker")),
        generator=_mapping(collector.run.get("generator")),
        started_at=str(collector.run["started_at"]),
        ended_at=_ended_at(collector),
        measured_s=evidence.measured_s,
        verdict=judge(evidence, checks, find(evidence)),
        totals=evidence.totals,
        groups=dict(evidence.groups),
        ledger=evidence.ledger,
        phases=_phases(collector),
        events=tuple(evidence.events),
        timeline=tuple(evidence.timeline),
        workers=tuple(evidence.workers),
    )


def _evidence(collector: Collector) -> Evidence:
    books = close_books(collector)
    generator = _mapping(collector.run.get("generator"))
    reason = collector.end["reason"] if collector.end is not None else None
    return Evidence(
        totals=build_totals(collector, books),
        groups=build_groups(collector, books),
        ledger=build_ledger(collector, books),
        # Those of several processes, and those that tell of the past, come a little out of order.
        events=[_event(collector, event) for event in sorted(collector.events, key=lambda event: event["at_ns"])],
        timeline=[_point(row) for row in collector.timeline.rows()],
        measured_s=collector.measured_ns / NS_PER_S,
        measured_messages=sum(group.measured.counts[name] for group in collector.groups.values() for name in _MOVED),
        has_end=collector.end is not None,
        missing_windows=collector.missing_windows,
        is_whole=collector.complete,
        end_reason=None if reason is None else redacted(reason),
        cores=cores if isinstance(cores := generator.get("cores"), int) else None,
        calibrated=calibrated_rates(generator),
        workers=build_workers(collector),
        processes=max(1, len(collector.workers)),
        most_per_s={
            name: (float(most["per_s"]), str(most["text"]))
            for name, group in collector.run["groups"].items()
            if isinstance(most := group.get("most"), dict)
        },
        stalls={
            worker: [(_since_start(collector, start), _since_start(collector, end)) for start, end in stalls]
            for worker, stalls in collector.stalls.items()
        },
        not_begun=dict(_not_begun(collector)),
    )


def _not_begun(collector: Collector) -> Iterator[tuple[str, NotBegun]]:
    """Yield the groups that had to wait for their turn, and never had one."""
    for name, group in collector.run["groups"].items():
        after, start_at_ns = group.get("after"), group.get("start_at_ns", 0)
        if (after is not None or start_at_ns) and not collector.groups[name].total_active_ns:
            yield name, NotBegun(after, start_at_ns / NS_PER_S)


def _checks(scenario: dict[str, Any], evidence: Evidence) -> tuple[CheckPart, ...]:
    try:
        thresholds = _thresholds(scenario)
    except (ScenarioError, ValueError) as error:
        note = f"cannot be evaluated, so they count as failed: the scenario of the journal cannot be read: {error}"
        return (CheckPart(check="all thresholds", value=None, limit="", ok=False, note=note),)
    return check_thresholds(thresholds, DocumentFigures(evidence))


def _thresholds(scenario: dict[str, Any]) -> list[Threshold]:
    """Return the thresholds that the run record lists; an older record has them in the scenario's text alone."""
    if "thresholds" in scenario:
        return [parse_threshold(text) for text in scenario["thresholds"]]
    return list(load_scenario(scenario["name"], text=scenario["text"], reads_files=False).scenario.thresholds)


def _scenario(scenario: dict[str, Any]) -> ScenarioPart:
    return ScenarioPart(
        name=scenario["name"],
        description=redacted_value(scenario.get("description", "")),
        hash=scenario["hash"],
        text=redacted_scenario(scenario["text"]),
        overrides=tuple(redacted_override(override) for override in scenario.get("overrides", ())),
    )


def _mapping(value: JsonValue) -> dict[str, JsonValue]:
    safe = redacted_json(value)
    return safe if isinstance(safe, dict) else {}


def _since_start(collector: Collector, at_ns: int) -> float:
    """Return an instant in s after the start, to the µs: what is finer is of no use and makes files longer."""
    return round((at_ns - collector.start_ns) / NS_PER_US) * NS_PER_US / NS_PER_S


def _ended_at(collector: Collector) -> str:
    if collector.end is not None:
        return str(collector.end["ended_at"])
    started_at = datetime.fromisoformat(collector.run["started_at"])
    return (started_at + timedelta(seconds=max(0.0, _since_start(collector, collector.last_ns)))).isoformat()


def _event(collector: Collector, event: dict[str, Any]) -> EventPart:
    # Underscore or hyphen: both were written in records, and a code is compared.
    code = str(event["code"]).replace("_", "-")
    return EventPart(t_s=_since_start(collector, event["at_ns"]), code=code, text=redacted(str(event["text"])))


def _phases(collector: Collector) -> tuple[PhasePart, ...]:
    """Return the phases with their ends; the last one ends with the run."""
    last_ns = collector.last_ns if collector.end is None else collector.end["at_ns"]
    starts = [record["at_ns"] for record in collector.phases]
    ends = [*starts[1:], max(last_ns, *starts)] if starts else []
    return tuple(
        PhasePart(
            name=record["phase"],
            start_s=_since_start(collector, record["at_ns"]),
            end_s=_since_start(collector, end_ns),
        )
        for record, end_ns in zip(collector.phases, ends, strict=True)
    )


def _point(row: dict[str, Any]) -> PointPart:
    groups = {
        name: PointGroupPart(
            rates=group["rates"],
            latency={latency: PointLatencyPart(**part) for latency, part in group["latency"].items()},
        )
        for name, group in row["groups"].items()
    }
    return PointPart(t_s=row["t_s"], phase=row["phase"], groups=groups, gauges=row["gauges"])
