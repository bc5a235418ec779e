"""
Spoilt scenarios: whatever is in a file or on the command line, a scenario or a ScenarioError comes out, in time.

Values of good scenarios are taken out, exchanged, wrapped and moved, and written as YAML again with what only YAML has
(tags, anchors, aliases, merge keys); `--set` and `--threshold` come with paths and values of the same kind.
"""

from __future__ import annotations

import copy
import json
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from loadtest.errors import ScenarioError
from loadtest.scenario import build_plan, catalogue, load_scenario, routing
from loadtest.scenario.loading.document import read_document

ROOT = Path(__file__).parents[3]
FUZZ = settings(
    derandomize=True, deadline=None, database=None, max_examples=1200, suppress_health_check=list(HealthCheck)
)
# Of the processor, so that a busy machine fails nothing; a good scenario takes some milliseconds.
MOST_CPU_S = 20.0
MOST_BYTES = 400_000_000
PLACES = ("s.yaml:", "--set:", "--threshold:")

# Every key of the grammar, and every way to write what has several.
RICH = """\
name: rich
description: "all of ${rate}"
variables: {rate: 50/s, n: 3, keys: [a, b], t: "x"}
topology:
  vhost: /
  exchanges:
    ev: {type: topic, alternate_exchange: rest, arguments: {x: 1}}
    rest: {type: fanout, internal: true}
    h: {type: headers}
    d: {type: direct, passive: false, auto_delete: true}
    ch: {type: x-consistent-hash}
  queues:
    q-%d: {count: "${n}", type: quorum, arguments: {x-max-length: 10, t: [1, {a: null}]}}
    s: {type: stream}
    c: {type: classic}
  bindings:
    - {exchange: ev, queue: q-%d, routing_key: "o.%d.#"}
    - {exchange: ev, to_exchange: d, routing_key: "*.x"}
    - {exchange: h, queue: c, arguments: {x-match: any, a: 1}}
    - {exchange: ch, queue: s, routing_key: "1"}
publishers:
  shop:
    users: 2
    exchange: ev
    routing_key: "o.%d.x"
    rate: [{for: 1s, from: 1/s, to: "${rate}"}, {for: 2s}, {for: 1s, rate: 5/s}]
    arrival: poisson
    body: {random: {min: 100B, max: 1KB}}
    stamp: body
    on_outage: drop
    in_doubt: republish
    start_at: 1s
  zipf:
    exchange: d
    routing_key: {zipf: {keys: 10, s: 1.1, key: "k-%d"}}
    messages: 100
    after: shop
    client: blocking
  headed:
    exchange: h
    routing_key: "${keys}"
    properties: {headers: {a: 1, b: x}, delivery_mode: 2, priority: 3, expiration: 20ms, timestamp: 5, type: "t"}
    body: {json: {a: [1, 2.5, null]}}
    stamp: none
    confirm_window: 0
consumers:
  billing: {queue: q-%d, users: 3, prefetch: 50, ack: every 10, processing_time: 1ms}
  streaming: {queue: s, ack: every 1, arguments: {x-stream-offset: first}, users: 2}
getters:
  cashier: {queue: c, until: empty, rate: 3/s, ack: none, after: shop}
run: {duration: 5s, warm_up: 1s, seed: 3}
faults:
  - {at: 1s, do: kill-node, leader_of: q-%d, for: 1s}
  - {every: 2s, do: close-connections, reason: x}
  - {at: 1s, do: purge-queue, queue: c}
thresholds:
  - shop.confirm.p99 < 1s
  - {check: shop.confirm.p99 < 1s, abort: true}
  - published_rate >= 99% of offered
compare:
  variants:
    plain: {}
    other: {set: {topology.queues.c.type: quorum, run.drain: null}, config: {a: 1}, env: {A: "+S 1:1"}, nodes: 3}
    named: {broker: [amqp://x, amqp://y]}
  baseline: other
  rounds: 3
  max_rounds: 5
  until_decided: true
  metrics: [shop.confirm.p99]
  min_effect: 5%
  fail_on: worse
"""
TEXTS = [*(entry.path.read_text(encoding="utf-8") for entry in catalogue()), *[RICH] * 5]
BASES = [read_document(text, "base").value for text in TEXTS]


class Raw(str):
    """YAML that is written as it is."""

    __slots__ = ()


ODD: list[Any] = [
    None, True, False, 0, 1, -1, 7, 2**31, 2**63, -(2**63) - 1, 10**30, 1.5, 1e308, float("inf"), float("-inf"),
    float("nan"), "", " ", "~", "null", "10s", "0s", "1e9s", "999999h", "5/s", "0/s", "1/s", "1000000000/s", "-5s",
    "0.0000001/s", "1/0s", "0B", "1B", "1KB", "100MB", "100GB", "every 1", "every 99999", "${rate}", "${x}", "$${",
    "${", "\0", "\u202e\u0301", "\U0001f600", "x" * 300, "ü" * 200, "amq.", "amq.direct", "amq.topic", "#", "*.#",
    "a.*.b", "%d", "%", "%s%d%d", "q-1", "../x", "/dev/zero", "shop.confirm.p99 < 5ms", "lost == 0", "p99",
    "lost < 1e999", "x.y.z < 3", "٣", "1_000", [], {}, [[]], [None], ["a", "b"], {"": 1}, {"a": 1}, {"type": ["a"]},
    {"type": {}}, {"min": "2B", "max": "1B"}, {"min": "1B", "max": "2B"}, {"for": "1s", "from": "1/s", "to": "5/s"},
    [{"for": "1s", "from": "1/s"}] * 3, {"x-match": {"a": 1}}, {"x-match": []}, {"file": "."}, {"size": "1KB"},
    {"random": "1KB"}, {"json": {"a": [1, {}]}}, {"zipf": {"keys": 10000}}, {"zipf": {"s": []}}, {"CC": ["a"]},
    {"CC": [{}]}, {"BCC": 1}, {"<sizes>": 1}, {"[key]": {}}, Raw("*a"), Raw("&a [*a]"), Raw("&a {b: *a}"),
    Raw("&a 1"), Raw("!!python/object/apply:os.getcwd []"), Raw("!x 1"), Raw("!!binary aGk="), Raw("{<<: {a: 1}}"),
    Raw("{? [a] : b}"), Raw("{a: 1, a: 2}"), Raw('"\\ud800"'), Raw('"\\U00110000"'), Raw("1e5000"),
    Raw("0x" + "f" * 500), Raw("9" * 500), Raw("0o17"), Raw("2001-01-01"), Raw("[" * 60 + "]" * 60), Raw("- - 1"),
    Raw("]"), Raw("'"),
]  # fmt: skip
KEYS = [
    *{"": 0, "a.b": 0, "ü": 0, "<<": 0, "<x": 0, "<sizes>": 0, "[key]": 0, "x-queue-type": 0, "file": 0, "sha256": 0},
    *sorted({step for base in BASES for path in read_document(json.dumps(base), "").places for step in path
             if isinstance(step, str)}),
]  # fmt: skip


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value, the root's first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from paths_of(item, (*path, step))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what is at a path."""
    for step in path:
        value = value[step]
    return value


def written(value: Any) -> str:
    """Return a value as flow YAML."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, float) and value - value != 0:
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"  # noqa: PLR0124 - not a number
    return json.dumps(value)


def spoil(value: Any, draw: random.Random) -> None:
    """Change one thing in a mapping."""
    paths = [path for path in paths_of(value) if path]
    if not paths:
        return
    path = draw.choice(paths)
    parent, step, how = at(value, path[:-1]), path[-1], draw.randrange(9)
    odd = copy.deepcopy(draw.choice(ODD))
    if how == 0:
        del parent[step]
    elif how <= 3:
        alike = [each for each in ODD if how == 1 and type(each) is type(parent[step])]
        parent[step] = copy.deepcopy(draw.choice(alike)) if alike else odd
    elif how == 4:
        parent[step] = copy.deepcopy(at(value, draw.choice(paths)))
    elif how == 5:
        other = draw.choice(BASES)
        parent[step] = copy.deepcopy(at(other, draw.choice(list(paths_of(other)))))
    elif how == 6:
        parent[step] = [parent[step]]
    elif how == 7 or isinstance(parent, list):
        parent[step] = {draw.choice(KEYS): parent[step]}
    else:
        parent[draw.choice(KEYS)] = odd


def set_option(value: Any, draw: random.Random) -> str:
    """Return the text of a `--set` that nearly fits."""
    path = draw.choice([path for path in paths_of(value) if path] or [("a",)])
    steps = [
        f"[{step}]" if isinstance(step, int) else f".{step if draw.random() < 0.8 else json.dumps(step)}"
        for step in path
    ]
    behind = draw.choice(["", "", "", "", ".x", "[0]", "[99]", ".", "..", '"', '."a', ".count", ".0", "[-1]"])
    return "".join(steps).lstrip(".") + behind + draw.choice(["=", "=", "=", "", "=="]) + written(draw.choice(ODD))


def spoilt(draw: random.Random) -> tuple[str, list[str], list[str]]:
    """Return a text, its `--set` and its `--threshold` options."""
    value = copy.deepcopy(draw.choice(BASES))
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        spoil(value, draw)
    overrides = [set_option(value, draw) for _ in range(draw.choice([0, 0, 1, 2]))]
    odd = [draw.choice(ODD) for _ in range(draw.choice([0, 0, 0, 1]))]
    thresholds = [str(each) if draw.random() < 0.5 else written(each) for each in odd]
    return written(value), overrides, thresholds


def check(text: str, overrides: list[str], thresholds: list[str]) -> bool:
    """Return whether it is a scenario; fail unless it can be planned, or has errors with their places."""
    begin_s = time.process_time()
    try:
        loaded = load_scenario("s.yaml", text=text, overrides=overrides, thresholds=thresholds, checks_variants=True)
        scenario = loaded.scenario
        with pytest.raises(ValidationError, match="frozen"):
            scenario.name = "other"  # type: ignore[misc]
        assert load_scenario("s.yaml", text=loaded.text).scenario == scenario.model_copy(update={"compare": None})
        build_plan(
            scenario, users=max(len(scenario.groups), min(200, sum(it.users for it in scenario.groups.values())))
        )
    except ScenarioError as error:
        unplaced = [line for line in str(error).splitlines() if not line.startswith((*PLACES, "publishers: found "))]
        assert unplaced == []
        return False
    finally:
        assert time.process_time() - begin_s < MOST_CPU_S
    return True


@FUZZ
@given(st.randoms(use_true_random=False))
def test_spoilt_values_are_a_scenario_or_an_error(draw: random.Random) -> None:
    """Each line of an error has its place; a scenario is frozen, loads again as it is written, and can be planned."""
    check(*spoilt(draw))


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(FUZZ, max_examples=40_000)
@given(st.randoms(use_true_random=False))
def test_spoilt_values_at_length(draw: random.Random) -> None:
    """The same, with as many as minutes allow."""
    check(*spoilt(draw))


def test_some_spoilt_scenarios_are_scenarios() -> None:
    """What is tried reaches the planner often enough, and is refused often enough."""
    good = sum(check(*spoilt(random.Random(seed))) for seed in range(400))

    assert 10 < good < 200


FOUND = {
    "an unknown key like a tag of ours": RICH + '"<text>": 1\n',
    "an unknown key like pydantic's": RICH + '"[key]": 1\n',
    "x-match of a mapping": RICH.replace("x-match: any", "x-match: {a: 1}"),
    "x-match of a list": RICH.replace("x-match: any", "x-match: [any]"),
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
def test_what_was_found(text: str) -> None:
    """What once came out as another exception."""
    check(text, [], [])


def test_names_like_tags_keep_their_place() -> None:
    """A queue may be called as the inside of this tool calls something; its errors are placed all the same."""
    text = 'name: t\ntopology:\n  queues:\n    "<text>":\n      count: x\n    "[key]":\n      coun: 1\n'
    with pytest.raises(ScenarioError) as caught:
        load_scenario("s.yaml", text=text)

    lines = str(caught.value).splitlines()
    assert any(line.startswith('s.yaml:5: topology.queues."<text>".count: found "x"') for line in lines)
    assert any(line.startswith('s.yaml:7: topology.queues."[key]".coun: found an unknown key') for line in lines)


def many(count: int, text: str) -> str:
    """Return a text so often, with `#` for the number and `+` for the next one, round about."""
    return ", ".join(text.replace("#", str(each)).replace("+", str((each + 1) % count)) for each in range(count))


HEAD = "name: t\ntopology: {queues: {q: {}}}\n"
BOMBS = {
    "laughs": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "laughs in mappings": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{{', '.join(f'k{m}: *a{n - 1}' for m in range(9))}}}\n" for n in range(1, 12)),
    "laughs in texts": "variables: {a: " + "x" * 900_000 + "}\nname: t\ndescription: [" + '"${a}", ' * 10_000 + "]\n",
    "itself": "name: &a [*a]\n",
    "deep": HEAD + "publishers: " + "{a: " * 500 + "1" + "}" * 500,
    "deep blocks": "".join(f"{' ' * depth}- a:\n" for depth in range(0, 400, 2)),
    "deep by aliases": "a: &a [1]\n" + "".join(f"{n}: &{n} [*{n - 1 if n else 'a'}]\n" for n in range(60)),
    "long": "a" * 2_000_000,
    "long number": f"name: {'9' * 1_000_000}\n",
    "long key": f"{'a' * 900_000}: 1\n",
    "anchors": HEAD + f"description: [{many(8_000, '&a# x')}]\n",
    "unknown keys": HEAD + f"publishers: {{p: {{{many(8_000, 'k#: 1')}}}}}",
    "one key": HEAD + f"publishers: {{{many(8_000, 'p: {}')}}}",
    "unknown variables": HEAD + f'variables: {{{many(4_000, "va#: 1")}}}\ndescription: "{many(4_000, "${vb#}")}"\n',
    "unknown queues": f"name: t\ntopology: {{queues: {{{many(2_000, 'queue#: {}')}}}}}\n"
    f"consumers: {{{many(2_000, 'g#: {queue: quoue#}')}}}\n",
    "unknown groups": HEAD + f"publishers: {{{many(2_000, 'g#: {routing_key: q}')}}}\n"
    f"thresholds: [{many(2_000, 'h#.confirm.p99 < 1s')}]\n",
    "a long chain": HEAD + f"publishers: {{{many(3_000, 'g#: {routing_key: q, after: g+, messages: 1}')}, g0: 1}}\n",
    "a long circle": HEAD + f"publishers: {{{many(3_000, 'g#: {routing_key: q, after: g+, messages: 1}')}}}\n",
}  # fmt: skip


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let this process have no more than `MOST_BYTES` besides what it has, else MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_in_time(text: str, little_memory: None) -> None:
    """A small file that would grow without bound, or a large one of nothing but errors, is refused within bounds."""
    begin_s = time.process_time()

    with pytest.raises(ScenarioError):
        build_plan(load_scenario("s.yaml", text=text).scenario)

    assert time.process_time() - begin_s < MOST_CPU_S


def test_keys_times_queues_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario of four lines that asks for a route from every key to every queue is refused."""
    monkeypatch.setattr(routing, "MAX_ROUTES", 100_000)
    text = (
        "name: t\ntopology: {exchanges: {e: {type: fanout}}, queues: {q-%d: {count: 30000}}, "
        "bindings: [{exchange: e, queue: q-%d}]}\npublishers: {p: {exchange: e, routing_key: {zipf: {keys: 10000}}, "
        "messages: 1}}\nconsumers: {c: {queue: q-%d}}\n"
    )

    with pytest.raises(ScenarioError, match=r"found more than 100,000 ways from a routing key to a queue"):
        build_plan(load_scenario("s.yaml", text=text).scenario)


CODE = (
    "!!python/object/apply:os.system [{command}]",
    "!!python/object/new:os.system [{command}]",
    "!!python/object/apply:subprocess.check_output [[touch, {file}]]",
    "!!python/object/apply:builtins.exec ['open({file!r}, \"w\")']",
    "!!python/object/apply:builtins.open ['{file}', w]",
    "!<tag:yaml.org,2002:python/object/apply:os.system> [{command}]",
    "${{__import__('os').system('{command}')}}",
    "{{{{ ''.__class__ }}}}$(touch {file})`touch {file}`",
)


@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("place", ["name", "description", "publishers", "--set"])
def test_no_code_is_run(code: str, place: str, tmp_path: Path) -> None:
    """A tag that names a function is an error, whatever would be executed elsewhere is text or an error."""
    file = tmp_path / "made"
    value = code.format(command=f"touch {file}", file=str(file))
    as_text = value if value.startswith("!") else json.dumps(value)
    text = RICH.replace("name: rich", f"name: {as_text}") if place == "name" else f"{RICH}{place}: {as_text}\n"
    overrides = [f"description={as_text}"] if place == "--set" else []

    check(RICH if overrides else text, overrides, [])

    assert list(tmp_path.iterdir()) == []
