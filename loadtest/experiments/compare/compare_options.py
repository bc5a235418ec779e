"""
From the options of `loadtest compare` and a scenario's own `compare` to what is asked: options go first.

Runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from loadtest.broker.endpoint import ENVIRONMENT_NAMES
from loadtest.errors import UsageError
from loadtest.experiments.compare.compare_request import DEFAULT_MIN_EFFECT, CompareRequest, file_of
from loadtest.experiments.compare.variants import VariantOptions, parse_variants, variants_of
from loadtest.scenario import load_scenario
from loadtest.scenario.grammar.compare_block import DEFAULT_MAX_ROUNDS, DEFAULT_ROUNDS, CompareBlock, min_effect_of

if TYPE_CHECKING:
    from loadtest.experiments.compare.trial_kinds import CapacityTrials
    from loadtest.experiments.compare.variants import Variant

_URL: Final = re.compile(r"amqps?://", re.IGNORECASE)

CAPACITY_ROUNDS: Final = 3
"""Six pairs: the fewest of which one figure of one variant can be decided, as 1 in 32 is less than 0.05."""


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """
    The options of the command line; None, or nothing, is one that was not given.

    `min_effect_percent` is as it is typed.
    """

    scenario: str
    variants: VariantOptions = field(default_factory=VariantOptions)
    overrides: Sequence[str] = ()
    baseline: str | None = None
    rounds: int | None = None
    max_rounds: int | None = None
    until_decided: bool | None = None
    metrics: Sequence[str] = ()
    min_effect_percent: float | None = None
    fail_on: str | None = None
    restart: str | None = None
    searching: CapacityTrials | None = None
    repeat_marked: int | None = None


def request_from(options: CompareOptions, environ: Mapping[str, str]) -> CompareRequest:
    """
    Return what is asked, by options, and where they say nothing by the scenario's file.

    Raises:
        ScenarioError: If the file has faults; all of them, those of its variants too, if they are compared.
        UsageError: If an option cannot be read, or nothing says what is to be compared.
    """
    if options.fail_on not in {None, "worse", "slower"} or options.restart not in {None, "each"}:
        raise UsageError("--fail-on: allowed worse, or slower, which is the same; --restart: allowed each")
    shared = shared_brokers(options.variants)
    if shared:
        urls = tuple(url for url in options.variants.brokers if url not in shared)
        options = replace(options, variants=replace(options.variants, brokers=urls))
        environ = with_brokers(environ, shared)
    searching = options.searching
    if searching is not None and options.metrics:
        raise UsageError("--metric is of runs: with --capacity the capacity is what is compared")
    from_file = options.variants.is_empty
    loaded = load_scenario(options.scenario, overrides=options.overrides, checks_variants=from_file)
    block = loaded.scenario.compare or CompareBlock()
    if shared and (options.restart or block.restart) is not None:
        raise UsageError("--restart each is for private brokers, and --broker names one")
    in_file = variants_of(block, loaded.folder) if from_file else ()
    variants = in_file or parse_variants(options.variants)
    return CompareRequest(
        scenario=options.scenario,
        file=file_of(options.scenario),
        variants=variants,
        baseline=_baseline(options, block, variants),
        rounds=options.rounds or block.rounds or (DEFAULT_ROUNDS if searching is None else CAPACITY_ROUNDS),
        max_rounds=options.max_rounds or block.max_rounds or DEFAULT_MAX_ROUNDS,
        until_decided=block.until_decided if options.until_decided is None else options.until_decided,
        overrides=tuple(options.overrides),
        metrics=() if searching is not None else tuple(options.metrics) or block.metrics,
        searching=searching,
        min_effect=_min_effect(options, block),
        fails_on_worse=(options.fail_on or block.fail_on) is not None,
        restart=(options.restart or block.restart) is not None,
        repeat_marked=block.repeat_marked if options.repeat_marked is None else options.repeat_marked,
        environ=environ,
    )


def shared_brokers(asked: VariantOptions) -> tuple[str, ...]:
    """Return the URLs of `--broker` without a name: those of the nodes of one broker, of all variants."""
    return tuple(text for text in asked.brokers if _URL.match(text))


def with_brokers(environ: Mapping[str, str], urls: Sequence[str]) -> dict[str, str]:
    """Return an environment that names a broker, as `LOADTEST_BROKER` does, in the place of what it named."""
    return {**environ, ENVIRONMENT_NAMES[0]: ",".join(urls)}


def _baseline(options: CompareOptions, block: CompareBlock, variants: Sequence[Variant]) -> str:
    """Return the name of the baseline; the file's counts only among variants of that name."""
    if options.baseline is not None:
        return options.baseline
    named = block.baseline
    return named if named is not None and named in {each.name for each in variants} else variants[0].name


def _min_effect(options: CompareOptions, block: CompareBlock) -> float:
    if options.min_effect_percent is not None:
        return options.min_effect_percent / 100
    in_file = min_effect_of(block)
    return DEFAULT_MIN_EFFECT if in_file is None else in_file
