"""What is asked of a comparison: options first, then what the scenario's file says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from loadtest.broker.endpoint import broker_urls
from loadtest.errors import LoadTestError
from loadtest.experiments.compare.compare_options import CompareOptions, request_from
from loadtest.experiments.compare.compare_request import CompareRequest
from loadtest.experiments.compare.variants import Variant, VariantOptions

SCENARIO: Final = """\
name: two
topology: {queues: {q: {type: classic}}}
publishers: {in: {routing_key: q, body: {size: 100B}, rate: 5/s}}
consumers: {out: {queue: q}}
run: {duration: 1s}
"""
BLOCK: Final = """\
compare:
  variants: {plain: {}, other: {set: {topology.queues.q.type: quorum}}}
  baseline: other
  rounds: 3
  max_rounds: 9
  until_decided: true
  restart: each
  metrics: [in.confirm.p50]
  min_effect: 2%
  fail_on: worse
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    """A file with a block."""
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO + BLOCK)
    return str(path)


def test_the_file_says_all(scenario: str) -> None:
    """No option is needed."""
    assert request_from(CompareOptions(scenario), {"A": "1"}) == CompareRequest(
        scenario=scenario,
        file=Path(scenario),
        variants=(Variant("plain"), Variant("other", ("topology.queues.q.type=quorum",))),
        baseline="other",
        rounds=3,
        max_rounds=9,
        until_decided=True,
        metrics=("in.confirm.p50",),
        min_effect=0.02,
        fails_on_worse=True,
        restart=True,
        environ={"A": "1"},
    )


def test_options_go_first(scenario: str) -> None:
    """Each in the place of what the file says; all variants are replaced together, and a baseline that was theirs."""
    options = CompareOptions(
        scenario,
        variants=VariantOptions(variants=["a", "b=run.drain=1s"]),
        overrides=["run.seed=2"],
        rounds=4,
        max_rounds=8,
        until_decided=False,
        metrics=["out.delivered_rate"],
        min_effect_percent=0.0,
    )
    request = request_from(options, {})

    assert request.variants == (Variant("a"), Variant("b", ("run.drain=1s",)))
    assert request.baseline == "a"
    assert (request.rounds, request.max_rounds, request.until_decided) == (4, 8, False)
    assert (request.metrics, request.min_effect) == (("out.delivered_rate",), 0)
    assert request.overrides == ("run.seed=2",)


def test_a_baseline_of_that_name_stays(scenario: str) -> None:
    """It is a name, of whatever variants."""
    named = VariantOptions(variants=["a", "other=run.drain=1s"])

    assert request_from(CompareOptions(scenario, named), {}).baseline == "other"
    assert request_from(CompareOptions(scenario, named, baseline="a"), {}).baseline == "a"


def test_what_nobody_says(tmp_path: Path) -> None:
    """Is as the command has it."""
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO)
    request = request_from(CompareOptions(str(path), VariantOptions(variants=["a", "b"])), {})

    assert request == CompareRequest(str(path), (Variant("a"), Variant("b")), "a", file=path)


@pytest.mark.parametrize(
    "block, told",
    [
        pytest.param("", "nothing to compare", id="no variants"),
        pytest.param("compare: {rounds: 3}\n", "nothing to compare", id="a block without variants"),
        pytest.param(BLOCK.replace("quorum", "quorm"), "compare.variants.other: topology.queues.q.type", id="faulty"),
    ],
)
def test_faults(block: str, told: str, tmp_path: Path) -> None:
    """Before anything is run."""
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO + block)
    with pytest.raises(LoadTestError) as error:
        request_from(CompareOptions(str(path)), {})

    assert told in str(error.value)


def test_variants_of_the_file_are_not_checked_where_others_are_compared(tmp_path: Path) -> None:
    """They are nobody's concern then."""
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO + BLOCK.replace("quorum", "quorm"))

    assert len(request_from(CompareOptions(str(path), VariantOptions(variants=["a", "b"])), {}).variants) == 2


def test_a_broker_without_a_name_is_that_of_all(tmp_path: Path) -> None:
    """The variants are those of the file; the URL goes before what the environment names."""
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO + BLOCK.replace("  restart: each\n", ""))
    urls = ("amqp://a.example/?heartbeat=5", "amqp://b.example")
    request = request_from(
        CompareOptions(str(path), VariantOptions(brokers=urls)), {"LOADTEST_BROKER": "amqp://other.example"}
    )

    assert [variant.name for variant in request.variants] == ["plain", "other"]
    assert broker_urls(request.environ) == urls
    assert all(not variant.brokers for variant in request.variants)


def test_a_broker_without_a_name_beside_one_with_a_name(tmp_path: Path) -> None:
    """The named one is that of its variant."""
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO)
    asked = VariantOptions(variants=["a"], brokers=["b=amqp://b.example", "AMQPS://a.example"])
    request = request_from(CompareOptions(str(path), asked), {})

    assert [variant.brokers for variant in request.variants] == [(), ("amqp://b.example",)]
    assert broker_urls(request.environ) == ("AMQPS://a.example",)


def test_a_broker_without_a_name_is_not_started_anew(scenario: str) -> None:
    """The file says `restart: each`, which is for private brokers."""
    with pytest.raises(LoadTestError, match="--restart each is for private brokers, and --broker names one"):
        request_from(CompareOptions(scenario, VariantOptions(brokers=["amqp://a.example"])), {})
