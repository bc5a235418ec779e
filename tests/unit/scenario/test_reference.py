"""The scenario reference: every example loads, and every key of the grammar is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtest.scenario import load_scenario
from loadtest.scenario.grammar.body import Body, Sizes
from loadtest.scenario.grammar.compare_block import CompareBlock, VariantEntry
from loadtest.scenario.grammar.faults import BrokerFault
from loadtest.scenario.grammar.groups import ConsumerGroup, GetterGroup, Properties, PublisherGroup, Stage
from loadtest.scenario.grammar.metric import GAUGES, LATENCIES, RATES, TOTALS
from loadtest.scenario.grammar.model import Run, Scenario
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.grammar.threshold import ThresholdEntry
from loadtest.scenario.grammar.topology import Binding, Exchange, Queue, Topology
from loadtest.scenario.grammar.work import Exponential, Lognormal, Normal, ProcessingTimes, Refused, Uniform
from loadtest.scenario.grammar.zipf import Zipf

REFERENCE = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text(encoding="utf-8")
PARTS: tuple[type[Part], ...] = (
    Scenario, Topology, Exchange, Queue, Binding, PublisherGroup, ConsumerGroup, GetterGroup, Stage, Body, Sizes,
    Properties, Run, Zipf, ThresholdEntry, BrokerFault, Refused, ProcessingTimes, Exponential, Uniform, Normal,
    Lognormal, CompareBlock, VariantEntry,
)  # fmt: skip


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL))
def test_examples_load(example: str) -> None:
    """A scenario in the reference is a scenario."""
    assert load_scenario("example.yaml", text=example).scenario.name


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_is_in_the_reference(part: type[Part]) -> None:
    """Each key that may be written is named in the reference, as code."""
    keys = {field.alias or name for name, field in part.model_fields.items()}
    prose = re.sub(r"```.*?```", "", REFERENCE, flags=re.DOTALL)
    coded = set(re.findall(r"[A-Za-z_0-9]+", " ".join(re.findall(r"`[^`\n]+`", prose))))

    assert keys - coded == set()


def test_every_metric_is_in_the_reference() -> None:
    """Each metric that a threshold may name is in the reference."""
    assert {name for name in (*LATENCIES, *RATES, *TOTALS, *GAUGES) if f"`{name}`" not in REFERENCE} == set()
