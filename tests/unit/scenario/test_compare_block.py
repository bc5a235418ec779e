"""`compare` in a scenario's file: what it may say, what is told of its errors, and that a run takes nothing from it."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.errors import ScenarioError
from loadtest.scenario import dump_scenario, load_scenario
from loadtest.scenario.grammar.compare_block import CompareBlock, VariantEntry, min_effect_of
from loadtest.scenario.loading.document import read_document
from loadtest.scenario.loading.dump import flow_text

BASE: Final = """\
name: two
variables: {rate: 200/s}
topology:
  queues:
    q: {type: classic}
publishers:
  in: {routing_key: q, body: {size: 100B}, rate: "${rate}"}
consumers:
  out: {queue: q}
run: {duration: 1s}
"""
BLOCK: Final = """\
compare:
  variants:
    plain:
    other:
      set: {topology.queues.q.type: quorum, publishers.in.rate: "${rate}", variables.rate: 9/s}
      config: {vm_memory_high_watermark.relative: 0.4, management.rates_mode: none, tcp_listen_options.nodelay: true}
      env: {RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 1:1"}
      nodes: 3
    named: {broker: "amqp://x.example"}
    two-nodes: {broker: [amqp://x.example, amqp://y.example]}
  baseline: other
  rounds: 3
  max_rounds: 9
  until_decided: true
  metrics: [out.delivered_rate, broker.cpu.mean in run]
  min_effect: 2.5%
  fail_on: worse
"""


def test_a_whole_block() -> None:
    """Every key, with its defaults."""
    block = load_scenario("s.yaml", text=BASE + BLOCK).scenario.compare

    assert block is not None
    assert block.variants["plain"] == VariantEntry()
    assert block.variants["other"].overrides == {
        "topology.queues.q.type": "quorum",
        "publishers.in.rate": "${rate}",
        "variables.rate": "9/s",
    }
    assert block.variants["other"].env == {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1"}
    assert block.variants["other"].nodes == 3
    assert block.variants["named"].brokers == ("amqp://x.example",)
    assert block.variants["two-nodes"].brokers == ("amqp://x.example", "amqp://y.example")
    assert (block.baseline, block.rounds, block.max_rounds, block.until_decided) == ("other", 3, 9, True)
    assert block.metrics == ("out.delivered_rate", "broker.cpu.mean in run")
    assert block.fail_on == "worse"
    assert block.variants["other"].config == {
        "vm_memory_high_watermark.relative": "0.4",
        "management.rates_mode": "none",
        "tcp_listen_options.nodelay": "true",
    }
    assert block.min_effect == Fraction(1, 40)
    assert min_effect_of(block) == 0.025
    assert min_effect_of(CompareBlock()) is None


def test_a_run_takes_nothing_from_it() -> None:
    """Resolved text and hash are those of the scenario without it, and results hold nothing of it."""
    with_block, without = (load_scenario("s.yaml", text=text) for text in (BASE + BLOCK, BASE))

    assert with_block.text == without.text
    assert with_block.hash == without.hash
    assert "compare" not in dump_scenario(with_block.scenario)


def test_variables_stand_for_values_of_the_block() -> None:
    """But in `set`, where they are put in together with what the variant sets."""
    text = BASE.replace("variables: {", "variables: {n: 4, ") + 'compare: {rounds: "${n}", variants: {a: {}, b: {}}}\n'
    block = load_scenario("s.yaml", text=text, checks_variants=True).scenario.compare

    assert block is not None
    assert block.rounds == 4


def block(text: str, indent: int = 2) -> str:
    """Return a scenario with a block of these lines, the first of which is line 12."""
    return BASE + "compare:\n" + "".join(f"{' ' * indent}{line}\n" for line in text.splitlines())


TWO: Final = "variants: {a: {}, b: {}}\n"
NODE: Final = "which a private node sets itself; allowed variables that do not say who or where it is"
FAULTS: Final = {
    "unknown key": (
        block(TWO + "round: 3"),
        (
            "s.yaml:13: compare.round: found an unknown key; allowed baseline, fail_on, max_rounds, metrics, "
            'min_effect, repeat_marked, restart, rounds, until_decided, variants; did you mean "rounds"?'
        ),
    ),
    "unknown key of a variant": (
        block("variants:\n  a: {}\n  b: {sets: {}}"),
        (
            "s.yaml:14: compare.variants.b.sets: found an unknown key; allowed broker, config, env, nodes, server, "
            'set, tls; did you mean "set"?'
        ),
    ),
    "one variant": (
        block("variants: {a: {}}"),
        "s.yaml:12: compare.variants: found 1 of them; allowed 2 to 12 variants",
    ),
    "a name that is a way": (
        block("variants: {../a: {}, b: {}}"),
        (
            's.yaml:12: compare.variants."../a": found "../a"; allowed a name of at most 64 letters, digits, ., _, '
            "=, + and -, a letter or digit first"
        ),
    ),
    "baseline": (
        block(TWO + "baseline: c"),
        's.yaml:13: compare.baseline: found "c"; allowed a, b',
    ),
    "rounds": (
        block(TWO + "rounds: 1"),
        "s.yaml:13: compare.rounds: found 1; allowed a whole number of rounds from 2 to 1000",
    ),
    "max_rounds below rounds": (
        block(TWO + "until_decided: true\nmax_rounds: 4"),
        "s.yaml:14: compare.max_rounds: found 4 rounds at most, of 5; allowed max_rounds not below rounds",
    ),
    "min_effect": (
        block(TWO + "min_effect: 300%"),
        "s.yaml:13: compare.min_effect: found more than 100%; allowed 0% to 100%",
    ),
    "min_effect without its unit": (
        block(TWO + "min_effect: 5"),
        "s.yaml:13: compare.min_effect: found 5; allowed a share in percent, such as 99.9%",
    ),
    "fail_on": (block(TWO + "fail_on: better"), 's.yaml:13: compare.fail_on: found "better"; allowed worse'),
    "restart with a named broker": (
        block("restart: each\nvariants:\n  a: {}\n  b: {broker: amqp://x}"),
        "s.yaml:15: compare.variants.b.broker: found a broker that is named; allowed none with restart: each",
    ),
    "two kinds of broker": (
        block("variants:\n  a: {}\n  b: {broker: amqp://x, nodes: 3, env: {A: b}}"),
        (
            "s.yaml:14: compare.variants.b: found broker beside env and nodes; "
            "allowed broker alone: the others are of a private one"
        ),
    ),
    "a count": (
        block(TWO + "metrics: [lost]"),
        (
            's.yaml:13: compare.metrics[0]: found the count "lost"; '
            "allowed a figure of which more or less is better, such as a rate"
        ),
    ),
    "no metric": (
        block(TWO + "metrics: [out.delivred_rate]"),
        's.yaml:13: compare.metrics[0]: found the metric "delivred_rate"',
    ),
    "a metric of no group": (
        block(TWO + "metrics: [broker.cpu.mean, ot.delivered_rate]"),
        's.yaml:13: compare.metrics[1]: found the unknown group "ot"; allowed in, out; did you mean "out"?',
    ),
    "a variable of the node's own": (
        block("variants:\n  a: {}\n  b: {env: {RABBITMQ_NODENAME: x}}"),
        f"s.yaml:14: compare.variants.b.env.RABBITMQ_NODENAME: found RABBITMQ_NODENAME, {NODE}",
    ),
    "a setting of two lines": (
        block('variants:\n  a: {}\n  b: {config: {a: "b\\nc = d"}}'),
        's.yaml:14: compare.variants.b.config.a: found "b\\nc = d"; allowed text in one line, a number, true or false',
    ),
    "a key that is a line": (
        block('variants:\n  a: {}\n  b: {config: {"a = b": 1}}'),
        (
            's.yaml:14: compare.variants.b.config."a = b": found the key "a = b"; '
            "allowed a key of rabbitmq.conf, such as channel_max"
        ),
    ),
    "two nodes": (
        block("variants:\n  a: {}\n  b: {nodes: 2}"),
        "s.yaml:14: compare.variants.b.nodes: found 2; allowed 1, 3 or 5 nodes",
    ),
    "no mapping": (
        block(TWO).replace("compare:\n  " + TWO, "compare: [a, b]\n"),
        "s.yaml:11: compare: found a list; allowed a mapping",
    ),
}


@pytest.mark.parametrize("text, told", FAULTS.values(), ids=FAULTS.keys())
def test_errors(text: str, told: str) -> None:
    """Each with its line, by whoever reads the file: a run, too."""
    with pytest.raises(ScenarioError) as error:
        load_scenario("s.yaml", text=text)

    assert [line for line in str(error.value).splitlines() if line.startswith(told)], str(error.value)


def variant(overrides: str) -> str:
    """Return a scenario with a variant that sets something, in line 14."""
    return block(f"variants:\n  a: {{}}\n  b: {{set: {overrides}}}")


VARIANTS: Final = {
    "value": (
        variant("{topology.queues.q.type: quorm}"),
        (
            's.yaml:14: compare.variants.b: topology.queues.q.type: found "quorm"; allowed classic or quorum or '
            'stream; did you mean "quorum"?'
        ),
    ),
    "path": (
        variant("{publishers.on.rate: 3/s}"),
        "s.yaml:14: compare.variants.b: publishers.on: found nothing of that name; allowed in",
    ),
    "no path": (
        variant("{a..b: 3/s}"),
        's.yaml:14: compare.variants.b: scenario: found "a..b"; allowed a path, such as run.duration',
    ),
    "variable": (
        variant('{publishers.in.rate: "${rat}"}'),
        (
            's.yaml:14: compare.variants.b: publishers.in.rate: found the unknown variable "rat"; allowed rate; '
            'did you mean "rate"?'
        ),
    ),
    "what no longer fits": (
        variant("{topology.queues: {r: {}}}"),
        (
            's.yaml:9: compare.variants.b: consumers.out.queue: found the undeclared queue "q"; '
            "allowed a queue of topology.queues"
        ),
    ),
    "missing file": (
        block("variants:\n  a: {}\n  b: {config: nowhere.conf}"),
        (
            's.yaml:14: compare.variants.b.config: found no file "nowhere.conf"; '
            "allowed the path of a file, from the scenario's folder"
        ),
    ),
    "missing installation": (
        block("variants:\n  a: {}\n  b: {server: nowhere}"),
        's.yaml:14: compare.variants.b.server: found no "nowhere"; allowed the folder of a RabbitMQ installation',
    ),
}


@pytest.mark.parametrize("text, told", VARIANTS.values(), ids=VARIANTS.keys())
def test_variants_are_scenarios(text: str, told: str) -> None:
    """Where they are asked for each is checked, with the line of what it sets; a run does not look at them."""
    assert load_scenario("s.yaml", text=text).scenario.compare is not None
    with pytest.raises(ScenarioError) as error:
        load_scenario("s.yaml", text=text, checks_variants=True)

    assert str(error.value) == told


def test_all_faults_come_at_once() -> None:
    """Those of the scenario once, in the order of the file with those of the variants."""
    text = variant("{run.duration: 5, publishers.in.body: {size: 5}}").replace("out: {queue: q}", "out: {queue: r}")
    with pytest.raises(ScenarioError) as error:
        load_scenario("s.yaml", text=text, checks_variants=True)

    assert [line.split(": found")[0] for line in str(error.value).splitlines()] == [
        "s.yaml:9: consumers.out.queue",
        "s.yaml:14: compare.variants.b: publishers.in.body.size",
        "s.yaml:14: compare.variants.b: run.duration",
    ]


def test_what_is_overridden_for_all_is_there_for_each() -> None:
    """A variant that is wrong alone may be none with what all have."""
    text = variant("{consumers.more.prefetch: 5}")
    with pytest.raises(ScenarioError, match=r"consumers\.more"):
        load_scenario("s.yaml", text=text, checks_variants=True)

    load_scenario("s.yaml", text=text, overrides=["consumers.more={queue: q}"], checks_variants=True)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab .%$:{'\"", max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_values_are_written_on_one_line(value: Any) -> None:
    """As `--set` reads them again, whatever they are."""
    text = flow_text(value)
    document = read_document(text, "x")

    assert "\n" not in text
    assert document.details == []
    assert document.value == value


def test_what_is_no_number_is_written_too() -> None:
    """NaN is not equal to itself."""
    value = read_document(flow_text([math.nan, math.inf, -math.inf]), "x").value

    assert math.isnan(value[0])
    assert value[1:] == [math.inf, -math.inf]


def test_files_are_below_the_scenarios_folder_or_elsewhere(tmp_path: Path) -> None:
    """Paths are from the scenario's folder, wherever that is."""
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "own.conf").write_text("heartbeat = 30\n")
    path = tmp_path / "scenarios" / "s.yaml"
    path.write_text(block("variants:\n  a: {}\n  b: {config: ../own.conf}"))

    assert load_scenario(path, checks_variants=True).scenario.compare is not None
