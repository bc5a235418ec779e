"""Loading: dump and load are inverse, overrides and variables do what they say, only ScenarioError is raised."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtest.errors import ScenarioError
from loadtest.scenario import build_plan, catalogue, dump_scenario, load_scenario
from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.loading.document import read_document, resolve

FIXED = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SMALL = """\
# a comment
name: t
variables: {rate: 5/s, count: 3, on: true, keys: [a, b], text: "x: #y"}
topology: {queues: {q-%d: {count: "${count}"}, "a.b": {}}}
publishers:
  shop:
    {routing_key: "${keys}", exchange: amq.direct, rate: "${rate}", mandatory: "${on}", body: {text: "${text} $${x}"}}
consumers:
  billing: {queue: q-%d}
run: {duration: 2s}
"""

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
entity = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs", "Cn", "Co", "Cf"]), min_size=1, max_size=12
).filter(lambda name: "%d" not in name and not name.startswith("amq.") and name.isprintable() and name != "<<")
keys = text.filter(lambda key: key != "<<")
plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), text
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)
tables = st.dictionaries(keys, values, max_size=3)
durations = st.integers(1, 10**15).map(lambda ns: f"{ns}ns") | st.sampled_from(["1.5s", "2m", "250us", "1h"])
rates = st.integers(1, 10**6).map(lambda per_s: f"{per_s}/s") | st.sampled_from(["0.25/s", "100/m", "7/h"])
stages = st.lists(
    st.fixed_dictionaries({"for": durations, "from": rates}, optional={"to": rates}), min_size=1, max_size=3
)
bodies = st.one_of(
    st.fixed_dictionaries({"text": text}),
    st.fixed_dictionaries({"json": values.filter(lambda value: value is not None)}),
    st.integers(0, 5000).map(lambda size: {"size": f"{size}B"}),
    st.just({"random": {"min": "1B", "max": "1.5KB"}}),
)
acks = st.sampled_from(["auto", "none", "every 1", "every 50"])


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    """Return the values of a good scenario."""
    queues = draw(st.lists(entity, min_size=1, max_size=3, unique=True))
    groups = draw(st.lists(names, min_size=3, max_size=3, unique=True))
    queue = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["classic", "quorum"]),
            "arguments": tables.map(lambda it: {k: v for k, v in it.items() if k != "x-queue-type"}),
        },
    )
    publisher = st.fixed_dictionaries(
        {
            "routing_key": st.sampled_from(queues) | st.lists(text.map(lambda key: key[:20]), min_size=1, max_size=3),
            "exchange": st.just("amq.topic"),
        },
        optional={
            "users": st.integers(1, 20),
            "rate": rates | stages,
            "body": bodies,
            "messages": st.integers(1, 10**9),
            "mandatory": st.booleans(),
            "confirm_window": st.integers(0, 1000),
            "properties": st.fixed_dictionaries(
                {}, optional={"headers": tables, "priority": st.integers(0, 255), "type": text}
            ),
            "start_at": st.sampled_from(["1s", "250ms"]),
        },
    )
    return {
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)),
        "description": draw(text),
        "topology": {
            "queues": {name: draw(queue) for name in queues},
            "bindings": [
                {"exchange": "amq.topic", "queue": name, "routing_key": draw(text).replace("%d", "")} for name in queues
            ],
        },
        "publishers": {groups[0]: draw(publisher)},
        "consumers": {groups[1]: {"queue": queues[0], "ack": draw(acks), "arguments": draw(tables)}},
        "getters": {groups[2]: {"queue": queues[-1], "until": "empty", "ack": draw(acks)}},
        "run": {"duration": draw(durations), "warm_up": "10s", "seed": draw(st.integers(0, 2**63 - 1))},
        "thresholds": ["lost == 0", f"{groups[1]}.end_to_end.p99.9 < 5ms"],
    }


@settings(FIXED, max_examples=60)
@given(scenarios())
def test_dump_then_load_is_identity(values: dict[str, Any]) -> None:
    """A scenario written as YAML loads as the same scenario, and is written the same again."""
    scenario = Scenario.model_validate(values)

    loaded = load_scenario("s.yaml", text=dump_scenario(scenario))

    assert loaded.scenario == scenario
    assert loaded.text == dump_scenario(scenario)


@settings(FIXED, max_examples=150)
@given(st.one_of(st.text(max_size=200), st.text("[]{},:&*!|>'\"%@`#-? \n\tab1", max_size=80)))
def test_any_text_raises_nothing_else(content: str) -> None:
    """Whatever text comes in, a ScenarioError comes out, or a scenario."""
    with contextlib.suppress(ScenarioError):
        load_scenario("s.yaml", text=content)


@settings(FIXED, max_examples=60)
@given(st.binary(max_size=100))
def test_any_bytes_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a file holds, a ScenarioError comes out, or a scenario."""
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)

    with contextlib.suppress(ScenarioError):
        load_scenario(path)


ODD = [
    "",
    "null",
    "[]",
    "{}",
    "-1",
    "1e400",
    "0x",
    ".nan",
    "~",
    '"${x}"',
    "[[[]]]",
    "{a: b}",
    "9" * 30,
    "true",
    "%d",
    '"\\0"',
    "&a [*a]",
    "10s",
    "5/s",
]


@pytest.mark.parametrize("seed", range(150))
def test_mutated_scenarios_raise_nothing_else(seed: int) -> None:
    """A spoilt scenario loads and plans, or raises ScenarioError with a place in every line."""
    draw = random.Random(seed)
    content = draw.choice(TEXTS)
    for _ in range(draw.randint(1, 4)):
        content = _mutated(content, draw)
    try:
        scenario = load_scenario("s.yaml", text=content).scenario
        if sum(group.users for group in scenario.groups.values()) < 5000:
            build_plan(scenario)
    except ScenarioError as error:
        unplaced = [line for line in str(error).splitlines() if not line.startswith("s.yaml:")]
    else:
        unplaced = []

    assert unplaced == []


TEXTS = [SMALL, *(entry.path.read_text(encoding="utf-8") for entry in catalogue())]


def _mutated(content: str, draw: random.Random) -> str:
    lines = content.splitlines(keepends=True)
    at = draw.randrange(len(lines))
    how = draw.randrange(5)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(at, draw.choice(lines))
    elif how == 2:
        words = lines[at].split(" ")
        words[draw.randrange(len(words))] = draw.choice(ODD)
        lines[at] = " ".join(words)
    elif how == 3:
        key, colon, _ = lines[at].partition(":")
        lines[at] = f"{key}{colon} {draw.choice(ODD)}\n"
    else:
        where = draw.randrange(len(lines[at]))
        lines[at] = lines[at][:where] + draw.choice("{}[]:,#&*!'\"\t\n -%\0é") + lines[at][where + 1 :]
    return "".join(lines) or "a"


BOMBS = {
    "aliases": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 7)),
    "brackets": "[" * 500,
    "nested": "".join(f"{' ' * n}a:\n" for n in range(200)),
    "long": "a" * 2_000_000,
    "variables": "variables: {a: " + "x" * 5000 + "}\nname: " + '"' + "${a}" * 5000 + '"\n',
    "a list from a variable, often": "variables: {a: [" + "x," * 800 + "]}\nthresholds: [" + '"${a}",' * 1500 + "]\n",
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused(content: str) -> None:
    """A small file that would grow without bound, or a deep one, is refused at once."""
    with pytest.raises(ScenarioError):
        load_scenario("s.yaml", text=content)


def test_variables_keep_their_type() -> None:
    """A value that is a variable takes its value and type; within a text it becomes text, and $${ is plain."""
    scenario = load_scenario("s.yaml", text=SMALL).scenario
    shop = scenario.publishers["shop"]

    assert scenario.topology.queues["q-%d"].count == 3
    assert shop.rate == 5
    assert shop.mandatory is True
    assert shop.routing_key == ("a", "b")
    assert shop.body.text == "x: #y ${x}"


def test_what_looks_like_a_variable_survives_a_dump() -> None:
    """A text with ${ in it is escaped when written, so that it loads as it was."""
    loaded = load_scenario("s.yaml", text=SMALL)

    assert "$${x}" in loaded.text
    assert load_scenario("s.yaml", text=loaded.text).scenario == loaded.scenario


OVERRIDES: list[tuple[str, str, object]] = [
    ("variables.rate=7/s", "publishers.shop.rate", 7),
    ("publishers.shop.users=4", "publishers.shop.users", 4),
    ("publishers.shop.routing_key=[x, y]", "publishers.shop.routing_key", ("x", "y")),
    ("variables.keys[1]=z", "publishers.shop.routing_key", ("a", "z")),
    ("publishers.shop.properties.headers.source=web", "publishers.shop.properties.headers", {"source": "web"}),
    ('topology.queues."a.b".type=quorum', "topology.queues.a.b.type", "quorum"),
    ("publishers.shop.rate=null", "publishers.shop.rate", None),
    ("run.seed=9", "run.seed", 9),
    ("name=other=x", "name", None),
    ("consumers.second={queue: a.b}", "consumers.second.queue", "a.b"),
]


@pytest.mark.parametrize("override, path, expected", OVERRIDES, ids=[override for override, _, _ in OVERRIDES])
def test_overrides_reach_every_value(override: str, path: str, expected: object) -> None:
    """`--set PATH=VALUE` replaces, adds and takes away, before variables are put in."""
    if override == "name=other=x":
        with pytest.raises(ScenarioError, match="--set:1: name: found"):
            load_scenario("s.yaml", text=SMALL, overrides=[override])
        return
    found: Any = load_scenario("s.yaml", text=SMALL, overrides=[override]).scenario
    for step in path.replace("a.b", "a\0b").split("."):
        key = step.replace("\0", ".")
        found = found[key] if isinstance(found, dict) else getattr(found, key)

    assert found == expected


def test_later_overrides_win() -> None:
    """The last of several overrides of a path counts, and all are kept beside the scenario."""
    overrides = ["run.seed=1", "run.seed=2"]
    loaded = load_scenario("s.yaml", text=SMALL, overrides=overrides)

    assert loaded.scenario.run.seed == 2
    assert loaded.overrides == tuple(overrides)


def test_the_hash_is_of_what_is_run() -> None:
    """Comments and layout do not change the hash, a value does."""
    loaded = load_scenario("s.yaml", text=SMALL)

    assert load_scenario("s.yaml", text=SMALL.replace("# a comment", "#")).hash == loaded.hash
    assert load_scenario("s.yaml", text=SMALL, overrides=["run.seed=2"]).hash != loaded.hash


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """What editors put before the first sign is no part of the scenario."""
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())

    assert load_scenario(path).scenario.name == "t"


def test_what_is_no_utf8_is_named(tmp_path: Path) -> None:
    """A file in another encoding is refused with the position."""
    path = tmp_path / "s.yaml"
    path.write_bytes(b"name: caf\xe9")

    with pytest.raises(
        ScenarioError, match=r"s\.yaml:1: scenario: found no UTF-8 \(at byte 9\); allowed a text in UTF-8$"
    ):
        load_scenario(path)


RESOLVED: list[tuple[str, object]] = [
    ("12", 12),
    ("-3", -3),
    ("010", 10),
    ("0o10", 8),
    ("0xff", 255),
    ("1e3", 1000.0),
    (".5", 0.5),
    ("true", True),
    ("yes", "yes"),
    ("on", "on"),
    ("10:30", "10:30"),
    ("1_000", "1_000"),
    ("2001-01-01", "2001-01-01"),
    ("~", None),
    ("", None),
    ("null", None),
    ("٣", "٣"),
]


@pytest.mark.parametrize("written, expected", RESOLVED)
def test_plain_scalars_are_those_of_yaml_1_2(written: str, expected: object) -> None:
    """The core schema of YAML 1.2, and none of 1.1's surprises."""
    assert resolve(written) == expected
    assert type(resolve(written)) is type(expected)


def test_values_have_their_lines() -> None:
    """An entry's place is the line of its key, an item's that of the item, and an alias leads to what it names."""
    document = read_document("a: &x\n  b:\n    - 1\n    - 2\nc: *x\n", "f")

    assert document.value == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    assert {path: place.line for path, place in document.places.items()} == {
        (): 1,
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
        ("c",): 5,
        ("c", "b"): 2,
        ("c", "b", 0): 3,
        ("c", "b", 1): 4,
    }
