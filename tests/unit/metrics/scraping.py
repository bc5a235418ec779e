"""Scrapes without sockets: what a registry tells of staged runs."""

from __future__ import annotations

from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from loadtest.metrics.families import RunFamilies
from loadtest.metrics.standing import Standing
from tests.unit.result.staged_run import StagedRun

Samples: TypeAlias = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def feed(standing: Standing, run: StagedRun) -> Standing:
    """Have *standing* follow *run* to its end."""
    standing.follow(run.collector())
    for record in run.records:
        standing.take(record)
    return standing


def text_of(standing: Standing) -> str:
    """Return what a scrape gives."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunFamilies(standing))
    return generate_latest(registry).decode()


def samples_of(text: str) -> Samples:
    """Return the samples of a scrape by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def samples(run: StagedRun) -> Samples:
    """Return the samples that a scrape after *run* gives."""
    return samples_of(text_of(feed(Standing(), run)))


def of(group: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of a group."""
    return (("group", group),)
