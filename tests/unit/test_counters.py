"""The catalogue of counters: a counter that is added there, and nowhere else, shows wherever counters show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest import counters
from loadtest.result.run.document import TotalsPart

ROOT = Path(__file__).parents[2]


def test_a_new_counter_is_one_row() -> None:
    """The ledger's row, terminal, summary, page, live tab, Prometheus, thresholds and schema have it from its row."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.unit.new_counter"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)

    assert (told["totals"], told["groups"], told["measured"]) == (3, {"shop": None, "billing": 3}, 3)
    assert told["checks"] == [
        ["billing.parked <= 2", "3", False],
        ["parked <= 3 in run", "3", True],
        ["billing.parked == 0 in warm_up", "0", True],
    ]
    assert told["kinds"] == ["consumer"]
    assert (told["terminal"], told["markdown"], told["page"]) == (True, True, True)
    assert told["running"] == told["ended"] == [{"name": "parked", "count": 3, "is_wrong": True}]
    assert sorted(told["prometheus"]) == [
        ["loadtest_ledger_messages", {"fate": "parked"}, 3.0],
        ["loadtest_parked_messages_total", {"group": "billing"}, 3.0],
    ]
    assert told["schema"] == {
        "default": 0,
        "description": "Deliveries that consumers parked.",
        "title": "Parked",
        "type": "integer",
    }
    assert told["windows"]


def test_totals_of_the_document_are_those_of_the_catalogue() -> None:
    """In its order, with its help; those that older versions did not write have a default."""
    rows = {row.name: row for row in counters.totals()}

    assert list(TotalsPart.model_fields) == list(rows)
    assert {name: field.description for name, field in TotalsPart.model_fields.items()} == {
        name: row.help for name, row in rows.items()
    }
    assert {name for name, field in TotalsPart.model_fields.items() if field.is_required()} == {
        name for name, row in rows.items() if row.is_required
    }


@pytest.mark.parametrize("row", counters.CATALOGUE.values(), ids=lambda row: row.name)
def test_rows_are_whole(row: counters.CounterSpec) -> None:
    """What is counted by group has a group; what is shown has a sentence."""
    assert row.help.endswith(".")
    assert row.kinds or row.known != "counted"
    assert row.is_total or row.known == "counted"
