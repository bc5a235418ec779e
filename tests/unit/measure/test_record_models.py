"""The models of the journal's records: they take what is written, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from loadtest.measure.record_models import FORMATS, RECORD, windows_schema
from loadtest.measure.records import users_record
from tests.unit.result.staged_run import broker_lost, flood, orders

GOLDEN = Path(__file__).parents[2] / "golden"


def staged() -> Iterator[dict[str, Any]]:
    """Yield records of every type, as JSON gives them back."""
    for run in (orders(), flood(lose=2), broker_lost()):
        run.broker(5, {"queue.depth": 7.0})
        run.left("orders", 3)
        run.records.append(users_record("worker-1", {"billing": {0: 5}}))
        yield from json.loads(json.dumps(run.records))


RECORDS = list(staged())
BY_TYPE = {record["type"]: record for record in RECORDS}


@pytest.mark.parametrize("record", BY_TYPE.values(), ids=BY_TYPE.keys())
def test_what_is_written_is_valid(record: dict[str, Any]) -> None:
    """A record of each type is what its model says."""
    RECORD.validate_json(json.dumps(record))


def test_all_records_are_valid() -> None:
    """Whatever a run came to, its records are what the models say."""
    for record in RECORDS:
        RECORD.validate_json(json.dumps(record))


@pytest.mark.parametrize("name", [name for name in BY_TYPE if name not in {"run", "event"}])
def test_an_unknown_field_is_an_error(name: str) -> None:
    """A misspelt name does not go unseen, but where further keys are allowed."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        RECORD.validate_json(json.dumps({**BY_TYPE[name], "colour": 1}))


@pytest.mark.parametrize(
    "name,field", [(name, field) for name, record in BY_TYPE.items() for field in record if field != "type"]
)
def test_a_field_that_is_missing_or_of_another_type_is_an_error(name: str, field: str) -> None:
    """Every field that records have is either needed, or kept as it is; none takes any type."""
    free = {"broker", "generator"}
    if field in free:
        return
    missing = {key: value for key, value in BY_TYPE[name].items() if key != field}
    wrong = {
        **copy.deepcopy(BY_TYPE[name]),
        field: {"no": ["such"]} if not isinstance(BY_TYPE[name][field], dict) else 5,
    }
    with pytest.raises(ValidationError):
        RECORD.validate_json(json.dumps(missing))
    with pytest.raises(ValidationError):
        RECORD.validate_json(json.dumps(wrong))


def test_the_schema_names_every_type_and_format() -> None:
    """The schema of a line has a model for each type of record, and the versions that they are of."""
    schema = windows_schema()
    text = json.dumps(schema)

    assert set(schema["discriminator"]["mapping"]) == set(BY_TYPE)
    assert all(f'"{version}"' in text for version in FORMATS)
