"""The models of the journal's records: they take what is written, and nothing else; the JSON Schema says the same."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest
from pydantic import ValidationError

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.measure.ledger.dead_letter_sets import DyingMessages
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.ledger.seq_ranges import of_values
from loadtest.measure.record_models import FORMATS, RECORD, LedgerModel, windows_schema
from loadtest.measure.records import (
    dead_letters_record,
    depth_record,
    dropped_record,
    lost_worker_record,
    publisher_entry,
    standing_record,
    users_record,
    worker_record,
)
from tests.unit.measure.json_schema import is_valid
from tests.unit.result.staged_run import START_NS, StagedRun, broker_lost, flood, orders

SCHEMA = windows_schema()
Place: TypeAlias = tuple[str | int, ...]


def holes() -> StagedRun:
    """Return a run in whose ledger there is much: seqs without order, strangers, returned and repeated ones."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")})
    run.phase("measured", 0)
    intended = run.publish("shop", range(400), 0)
    publisher, delivery = run.recorder().publisher("shop", 0), run.recorder().delivery("billing", "orders")
    publisher.returned(np.arange(5))
    delivery.foreign(3, START_NS)
    seqs = np.sort(np.random.default_rng(1).choice(400, 200, replace=False))
    one = np.array([0])
    for seq in seqs.tolist():
        delivery.delivered(0, np.array([seq]), intended[[seq]], one, START_NS + NS_PER_S, 5)
    run.deliver("billing", range(2), intended[:2], 5 * NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    return run


def staged() -> Iterator[dict[str, Any]]:
    """Yield records of every type, as JSON gives them back."""
    for run in (orders(stages=[(0, NS_PER_S)]), flood(lose=2), broker_lost(), holes()):
        run.broker(5, {"queue.depth": 7.0})
        run.left("orders", 3)
        run.records += [depth_record("copies", 7), depth_record("theirs", None, "others take from it")]
        run.records.append(users_record("worker-1", {"billing": {0: 5}}, {0: NS_PER_S}))
        run.records.append(
            worker_record("worker-1", 5, host="lab", cores=2, clock="c", offset_ns=-7, bound_ns=3, jumps=1)
        )
        entry = publisher_entry(9, "shop", confirms=True, routes=[["orders"]]) | {"successor_of": 0}
        run.records.append(lost_worker_record(5, "worker-9", publishers=[0], sinks=["orders"], successors=[entry]))
        dying = DyingMessages()
        dying.note(0, 7, [("orders", "expired")])
        deaths, rows = dying.take()
        delta = LedgerDelta(deaths=deaths, dead_letters=rows)
        run.records += [dead_letters_record("dead", delta.to_record()), dropped_record({"expired": 1, "maxlen": 0})]
        standing = LedgerDelta(sinks=("orders",), standing=of_values(np.array([0]), np.array([8])))
        run.records.append(standing_record("orders", standing.to_record()))
        yield from json.loads(json.dumps(run.records))


RECORDS = list(staged())
TYPES = sorted({record["type"] for record in RECORDS})
# Keys that are names of somebody's: of groups, queues, latencies, gauges. Any may be there.
NAMED = {"groups", "counters", "histograms", "warm_up", "series", "message_counts", "gauges", "taken", "counts"}
NAMED |= {"foreign", "redelivered", "scenario", "broker", "generator"}


def is_taken(record: Any) -> bool:
    """Return whether the models take a record."""
    try:
        RECORD.validate_json(json.dumps(record))
    except ValidationError:
        return False
    return True


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Yield the path of every key and item within a record."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from places(part, (*path, key))


# The record of each type with the most in it.
LARGEST = {
    kind: max((each for each in RECORDS if each["type"] == kind), key=lambda each: len([*places(each)]))
    for kind in TYPES
}


def changed(record: dict[str, Any], path: Place, change: str) -> dict[str, Any]:
    """Return *record* with another value, a misspelt key or nothing at *path*."""
    copied = copy.deepcopy(record)
    parent: Any = copied
    for key in path[:-1]:
        parent = parent[key]
    old = parent.pop(path[-1])
    if change == "misspelt":
        parent[f"{path[-1]}x"] = old
    elif change != "missing":
        other = {"text": "text", "negative": -1, "null": None, "list": [["x"]], "mapping": {"x": ["y"]}}[change]
        _put(parent, path[-1], other)
    return copied


def _put(parent: Any, key: Any, value: Any) -> None:
    if isinstance(parent, list):
        parent.insert(key, value)
    else:
        parent[key] = value


def test_all_records_are_valid() -> None:
    """Whatever a run came to, its records are what the models say, and what the schema says."""
    assert [record for record in RECORDS if not is_taken(record)] == []
    assert [record for record in RECORDS if not is_valid(record, SCHEMA, SCHEMA)] == []


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("change", ["missing", "misspelt", "text", "negative", "null", "list", "mapping"])
def test_the_schema_and_the_models_agree(kind: str, change: str) -> None:
    """Whatever is changed in a record, at whatever depth: what the models refuse the schema refuses, and no more."""
    record = LARGEST[kind]
    cases = [path for path in places(record) if change != "misspelt" or isinstance(path[-1], str)]
    verdicts = {}
    for path in cases:
        case = changed(record, path, change)
        verdicts[path] = (is_taken(case), is_valid(case, SCHEMA, SCHEMA))

    assert {path for path, (model, schema) in verdicts.items() if model != schema} == set()
    assert any(not model for model, _ in verdicts.values())


@pytest.mark.parametrize("kind", TYPES)
def test_a_misspelt_field_is_an_error(kind: str) -> None:
    """At whatever depth, but among names that are somebody's own, and where further keys are kept as they are."""
    record = LARGEST[kind]
    own = [path for path in places(record) if isinstance(path[-1], str) and not NAMED & set(path[-2:-1])]
    if kind in {"run", "event"}:
        own = [path for path in own if path[-1] not in {"broker", "generator", "users", "stages"}]
    own = [path for path in own if not {"scenario", "broker", "generator"} & set(path[:-1])]

    assert own
    assert [path for path in own if is_taken(changed(record, path, "misspelt"))] == []


@pytest.mark.parametrize("kind", TYPES)
def test_a_field_of_another_type_is_an_error(kind: str) -> None:
    """None of a record's own fields takes whatever comes."""
    record = LARGEST[kind]

    assert [field for field in record if is_taken(changed(record, (field,), "list"))] == []


def test_a_packed_ledger_holds_what_an_open_one_does() -> None:
    """A large ledger is one compressed text; what is in it is of the same model, bitmaps included."""
    packed = [record["ledger"] for record in RECORDS if "zlib" in record.get("ledger", {})]
    opened = [LedgerModel.model_validate_json(zlib.decompress(base64.b64decode(ledger["zlib"]))) for ledger in packed]

    assert any(ledger.delivered is not None and ledger.delivered.bitmaps for ledger in opened)


def test_every_field_is_described() -> None:
    """With its unit, where that is not in the name; constants and what has a model of its own say it themselves."""
    silent = [
        f"{model}.{field}"
        for model, part in SCHEMA["$defs"].items()
        for field, schema in part["properties"].items()
        if "description" not in schema and "const" not in schema and "$ref" not in schema
    ]

    assert silent == []
    assert [name for name, part in SCHEMA["$defs"].items() if not part.get("description")] == []


def test_the_schema_names_every_type_and_format() -> None:
    """The schema of a line has a model for each type of record, and the versions that they are of."""
    text = json.dumps(SCHEMA)

    assert sorted(SCHEMA["discriminator"]["mapping"]) == TYPES
    assert all(f'"{version}"' in text for version in FORMATS)
