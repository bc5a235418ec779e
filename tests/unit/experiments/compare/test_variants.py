"""Variants as the command line names them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.errors import UsageError
from loadtest.experiments.compare.variants import Variant, VariantOptions, parse_variants, variants_of
from loadtest.scenario.grammar.compare_block import MOST_VARIANTS, CompareBlock

TYPES = "topology.queues.q.type"


def test_values_of_a_path_are_variants() -> None:
    """Each is named after its value, in their order."""
    assert parse_variants(VariantOptions(vary=[f"{TYPES}=classic,quorum"])) == (
        Variant("classic", (f"{TYPES}=classic",)),
        Variant("quorum", (f"{TYPES}=quorum",)),
    )


def test_several_paths_are_combined() -> None:
    """Every combination is a variant, the last path changing fastest, named by the last words of the paths."""
    found = parse_variants(VariantOptions(vary=[f"{TYPES}=classic,quorum", "publishers.in.users=1,2"]))

    assert [variant.name for variant in found] == [
        "type=classic+users=1",
        "type=classic+users=2",
        "type=quorum+users=1",
        "type=quorum+users=2",
    ]
    assert found[1].overrides == (f"{TYPES}=classic", "publishers.in.users=2")


def test_named_options_meet_in_a_variant(tmp_path: Path) -> None:
    """CompareOptions with the same name are of one variant; it comes where it was named first."""
    config = tmp_path / "own.conf"
    config.write_text("")
    found = parse_variants(
        VariantOptions(
            variants=["b=run.duration=1s,publishers.in.users=2", "a="],
            configs=[f"a={config}"],
            nodes=["a=3"],
            envs=["a=ERL_FLAGS=+S 1:1", "a=EMPTY="],
            tls=["a"],
            brokers=["b=amqp://x.example", "b=amqp://y.example"],
        )
    )

    assert found == (
        Variant("b", ("run.duration=1s", "publishers.in.users=2"), ("amqp://x.example", "amqp://y.example")),
        Variant("a", config=config, nodes=3, env=(("ERL_FLAGS", "+S 1:1"), ("EMPTY", "")), tls=True),
    )
    assert found[1].broker != found[0].broker


@pytest.mark.parametrize(
    "text, parts",
    [
        pytest.param("a=x=[1,2],y={b: 1, c: 2}", ("x=[1,2]", "y={b: 1, c: 2}"), id="brackets"),
        pytest.param(
            "a=faults=[{at: 0s, do: slow-network, latency: 1ms}]",
            ("faults=[{at: 0s, do: slow-network, latency: 1ms}]",),
            id="nested",
        ),
        pytest.param("a=x=\"1,2\",y='3,]'", ('x="1,2"', "y='3,]'"), id="quotes"),
        pytest.param("a=x=1,,y=2,", ("x=1", "y=2"), id="nothing between commas"),
        pytest.param("a", (), id="the scenario as it is"),
    ],
)
def test_overrides_are_split_at_commas(text: str, parts: tuple[str, ...]) -> None:
    """But for those that are part of a value."""
    assert parse_variants(VariantOptions(variants=[text, "other=x=1"]))[0].overrides == parts


@pytest.mark.parametrize(
    "asked, told",
    [
        pytest.param(VariantOptions(), "nothing to compare", id="nothing"),
        pytest.param(VariantOptions(vary=[f"{TYPES}=classic"]), "nothing to compare", id="one value"),
        pytest.param(VariantOptions(variants=["a=x=1"]), "nothing to compare", id="one variant"),
        pytest.param(
            VariantOptions(vary=["x=1,2"], variants=["a=y=1"]), "--vary makes variants of its own", id="both ways"
        ),
        pytest.param(VariantOptions(vary=["x"]), "--vary: found 'x'", id="no values"),
        pytest.param(VariantOptions(vary=["=1,2"]), "--vary: found '=1,2'", id="no path"),
        pytest.param(VariantOptions(vary=["x=,"]), "--vary: found 'x=,'", id="empty values"),
        pytest.param(VariantOptions(vary=["x=1,2", "x=3,4"]), "x is varied twice", id="a path twice"),
        pytest.param(VariantOptions(vary=["x=1,1"]), "two variants would be called '1'", id="a value twice"),
        pytest.param(VariantOptions(vary=["x=a b,a/b"]), "two variants would be called 'a-b'", id="names that meet"),
        pytest.param(VariantOptions(variants=["../a=x=1"]), "--variant: found '../a=x=1'", id="a name that is a way"),
        pytest.param(VariantOptions(brokers=["a"]), "--broker: found 'a'", id="no URL"),
        pytest.param(
            VariantOptions(configs=["a=missing.conf"]), "--config a: there is no file missing.conf", id="no file"
        ),
        pytest.param(VariantOptions(servers=["a=missing"]), "--server a: there is no missing", id="no installation"),
        pytest.param(VariantOptions(envs=["a=ERL_FLAGS"]), "--env a: found no value", id="no value of a variable"),
        pytest.param(
            VariantOptions(envs=["a=HOME=/"]), "--env a: found HOME, which a private node sets itself", id="its own"
        ),
        pytest.param(VariantOptions(envs=["a=A=1", "a=A=2"]), "--env a: A is told twice", id="a variable twice"),
        pytest.param(
            VariantOptions(tls=["a", "b=1,2"]), "--tls: found 'b=1,2'; allowed the name of a variant", id="TLS of what"
        ),
        pytest.param(
            VariantOptions(tls=["a"], brokers=["a=amqp://x", "b=amqp://y"]), "a: --config, --env", id="TLS of others"
        ),
        pytest.param(VariantOptions(nodes=["a=2"]), "--nodes a: found '2'; allowed 1, 3 or 5", id="two nodes"),
        pytest.param(
            VariantOptions(nodes=["a=3", "b=1"], brokers=["a=amqp://x.example"]),
            "a: --config, --env, --nodes",
            id="whose?",
        ),
        pytest.param(
            VariantOptions(vary=["x=" + ",".join(map(str, range(MOST_VARIANTS + 1)))]),
            f"allowed {MOST_VARIANTS}",
            id="too many",
        ),
    ],
)
def test_faults(asked: VariantOptions, told: str) -> None:
    """Each is refused in a sentence."""
    with pytest.raises(UsageError, match=r"\w") as error:
        parse_variants(asked)

    assert told in str(error.value)


def test_variants_of_a_file(tmp_path: Path) -> None:
    """As the command line would name them; files are from the scenario's folder."""
    entries = {
        "plain": {},
        "b": {
            "set": {"topology.queues.q.type": "quorum", "publishers.in.body": {"text": "a, ${b}"}, "run.drain": None},
            "config": {"heartbeat": 30},
            "env": {"A": 1},
        },
        "c": {"config": "../own.conf", "server": "rabbit", "nodes": 3},
        "d": {"broker": "amqp://x.example"},
    }

    assert variants_of(CompareBlock.model_validate({"variants": entries}), tmp_path) == (
        Variant("plain"),
        Variant(
            "b",
            ("topology.queues.q.type=quorum", 'publishers.in.body={text: "a, ${b}"}', "run.drain=null"),
            settings=("heartbeat = 30",),
            env=(("A", "1"),),
        ),
        Variant("c", config=tmp_path / "../own.conf", server=tmp_path / "rabbit", nodes=3),
        Variant("d", brokers=("amqp://x.example",)),
    )


@pytest.mark.parametrize("difference", [{"settings": ("a = 1",)}, {"env": (("A", "1"),)}, {"nodes": 3}, {"tls": True}])
def test_what_makes_another_broker(difference: dict[str, Any]) -> None:
    """Variants that are told something else do not share a node; the order of variables is none."""
    assert replace(Variant("a"), **difference).broker != Variant("b").broker
    assert Variant("a", env=(("A", "1"), ("B", "2"))).broker == Variant("b", env=(("B", "2"), ("A", "1"))).broker


@given(st.lists(st.text(max_size=60), min_size=2, max_size=5, unique=True))
def test_whatever_is_varied_has_names_for_folders(values: list[str]) -> None:
    """Names have no way up and no separator in them, or the values are refused."""
    try:
        found = parse_variants(VariantOptions(vary=["x=" + ",".join(values)]))
    except UsageError:
        return

    for variant in found:
        assert variant.name == Path(variant.name).name
        assert variant.name not in {".", ".."}
