from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from loadtest.result.capacity.capacity_result import Limiting, Stage, capacity_schema
from loadtest.result.compare.compare_result import Better, Word, compare_schema
from loadtest.result.run.backlog import GROWTH_FLOOR_NS, GROWTH_LIMIT
from loadtest.result.run.bottleneck import BUSY_PROCESS, OFFERED_TOLERANCE, Processor
from loadtest.result.run.build import build_result
from loadtest.result.run.document import Outcome, RunResult, result_schema
from loadtest.result.run.findings import CODES, figure_findings
from loadtest.result.sweep_result import FAILED, LOST, NOT_PASSED, AxisUnit, sweep_schema
from loadtest.scenario.grammar.metric import LATENCIES, RATES, TOTALS
from tests.unit.result.staged_run import broker_lost, cut_off, flood, orders

DOCS = Path(__file__).parents[3] / "docs"


def documented() -> set[str]:
    """Return every word in backticks of the two pages, and every word that the glossary defines."""
    pages = [(DOCS / name).read_text(encoding="utf-8") for name in ("results.md", "glossary.md")]
    words = {word for page in pages for word in re.findall(r"`([^`]+)`", page)}
    return words | set(re.findall(r"^\| ([^|`]+) \|", pages[1], re.MULTILINE))


def fields(schema: Any) -> set[str]:
    """Return the names of all properties in a JSON Schema."""
    if isinstance(schema, list):
        return set().union(*map(fields, schema))
    if not isinstance(schema, dict):
        return set()
    own = set(schema.get("properties", {}))
    return own.union(*(fields(part) for part in schema.values()))


def test_every_field_of_the_result_is_documented() -> None:
    """No field of the schema is missing from results.md or the glossary."""
    names = fields(result_schema())

    assert "p99_99_ns" in names
    assert names - documented() == set()


@pytest.mark.parametrize("run", [flood(lose=1), orders(), broker_lost()], ids=["flood", "orders", "broker lost"])
def test_every_key_that_a_result_really_has_is_documented(run: Any) -> None:
    """Totals of groups, rates and gauges, which the schema leaves open, are documented too."""
    result = build_result(run.collector())
    keys = {name for group in result.groups.values() for name in (*group.totals, *group.latency)}
    for point in result.timeline:
        keys |= {name.rpartition(".")[2] for name in point.gauges}
        keys |= {name for group in point.groups.values() for name in group.latency}

    assert keys - documented() == set()


def test_every_field_of_a_comparison_is_documented() -> None:
    """No field of compare.json, and no verdict, is missing from its section of results.md."""
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    section = page[page.index("## `compare.json`") : page.index("## `capacity.json`")]
    words = set(re.findall(r"`([^`]+)`", section))
    names = fields(compare_schema())

    assert "rounds_to_decide" in names
    assert names - words == set()
    assert {*get_args(Word), *get_args(Better)} - words == set()


def test_every_field_of_a_capacity_is_documented() -> None:
    """No field of capacity.json, no bound and no stage is missing from its section of results.md."""
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    section = page[page.index("## `capacity.json`") :]
    words = set(re.findall(r"`([^`]+)`", section))
    names = fields(capacity_schema())

    assert "contradictions" in names
    assert names - words == set()
    assert {*get_args(Limiting), *get_args(Stage), *get_args(Processor)} - words == set()


def test_every_field_of_a_sweep_is_documented() -> None:
    """No field of sweep.json, no mark and no unit is missing from its section of results.md."""
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    words = set(re.findall(r"`([^`]+)`", page[page.index("## `sweep.json`") :]))
    names = fields(sweep_schema())

    assert "repeats" in names
    assert names - words == set()
    assert {FAILED, LOST, NOT_PASSED, *get_args(AxisUnit)} - words == set()


def test_every_code_outcome_and_metric_is_documented() -> None:
    """The closed sets of the code are those of the documentation."""
    known = documented()

    assert {*CODES, *get_args(Outcome)} - known == set()
    assert {*LATENCIES, *TOTALS, *(f"{rate.removesuffix('_rate')}_per_s" for rate in RATES)} - known == set()


def test_documented_limits_of_findings_are_those_of_the_code() -> None:
    """The table of findings quotes the constants."""
    page = (DOCS / "results.md").read_text(encoding="utf-8")

    assert f"{BUSY_PROCESS} of a core" in page
    assert f"| {figure_findings.LATENESS_P99_LIMIT_NS // 1_000_000} ms |" in page
    assert f"| {OFFERED_TOLERANCE * 100:.0f} % |" in page
    assert f"{GROWTH_LIMIT:.0f} times, from {GROWTH_FLOOR_NS // 1_000_000} ms" in page


@pytest.mark.parametrize("run", [flood(), orders(), cut_off(), broker_lost()], ids=["flood", "orders", "cut", "lost"])
def test_document_reads_back_equal(run: Any) -> None:
    """Writing a result as JSON and reading it gives the same result."""
    result = build_result(run.collector())

    assert RunResult.model_validate_json(result.model_dump_json(by_alias=True)) == result


def test_document_has_the_fields_of_the_interface_by_their_names() -> None:
    """What other programs rely on is where they look for it."""
    document = json.loads(build_result(flood().collector()).model_dump_json(by_alias=True))

    assert document["schema"] == "loadtest.result/1"
    assert document["totals"]["got"] == 1_000
    assert document["groups"]["flood"]["rates"]["published_per_s"] == 2_000.0
    assert document["groups"]["taker"]["latency"]["get"]["p99_9_ns"] >= 200_000
    assert document["verdict"]["exit_code"] == 0


def test_document_is_frozen_and_knows_no_other_field() -> None:
    """A result cannot be changed, and a field that is not declared is refused."""
    result = build_result(flood().collector())
    document = json.loads(result.model_dump_json(by_alias=True))

    with pytest.raises(ValidationError, match="frozen"):
        result.complete = False  # type: ignore[misc]  # that is the point
    with pytest.raises(ValidationError, match="Extra inputs"):
        RunResult.model_validate_json(json.dumps(document | {"novelty": 1}))
