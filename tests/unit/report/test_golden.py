"""Files of older versions: a reader of today reads them, and says of them what was said then."""

from __future__ import annotations

import copy
import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.measure.record_models import FORMATS, RECORD, windows_schema
from loadtest.report.json_file import parse_result
from loadtest.report.run.write import regenerate
from loadtest.result.run.document import SCHEMA

GOLDEN = Path(__file__).parents[2] / "golden"
FOLDERS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())
WORDING = {"text", "reason", "note", "next_step"}
BOTTLENECKS = {
    # Both groups were done within 6 ms: nothing can be said of so short a run.
    "flood": None,
    # 200/s were asked and published, 1.74 of 2 cores in use: nobody at a limit, though disturbed.
    "late-stream": "schedule",
    # The schedule was kept; other programs had the machine, 2.00 of its 2 cores in use.
    "lost-worker": "machine",
    # The same at 1.98 of 2 cores; the purge lost messages, and slowed nobody.
    "purged": "machine",
    # A memory alarm blocked the publishers for 1.05 of 4 s.
    "refusals": "outage",
    # The consumers took 40/s of 100/s: what their work allows, which a run record of then does not have.
    "slow-consumers": "unknown",
    # The schedule was kept on an idle machine, and a threshold failed all the same.
    "staged-orders": "unknown",
    # The schedule was kept with 2.00 of 2 cores in use.
    "two-hosts": "machine",
}
UNITS = ("_per_s", "_ns", "_bytes", "_s", "_cores", "_messages", "_connected", "_nodes", "connections")


def differences(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield where *now* lacks or contradicts what was said then; what is new is no difference."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key, value in then.items():
            if key not in now:
                yield f"{path}.{key} is gone"
            else:
                yield from differences(value, now[key], f"{path}.{key}")
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for place, (old, new) in enumerate(zip(then, now, strict=True)):
            yield from differences(old, new, f"{path}[{place}]")
    elif then != now:
        yield f"{path} was {then}, and is {now}"


def promised(document: dict[str, Any]) -> dict[str, Any]:
    """Return what of a document is kept: its verdict may be put better, and further findings be made."""
    verdict = copy.deepcopy(document["verdict"])
    for part in [verdict, verdict["bound"] or {}, *verdict["checks"], *verdict["findings"]]:
        for wording in WORDING & part.keys():
            del part[wording]
    if verdict["bound"] is not None:
        # A judgement, for which the rules of today differ from those of then; BOTTLENECKS has it.
        verdict["bound"].pop("by", None)
    verdict["findings"] = {f"{finding['code']} {finding['group']}": finding for finding in verdict["findings"]}
    return {**document, "verdict": verdict}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_journal_gives_the_result_that_it_gave_then(folder: Path, tmp_path: Path) -> None:
    """Nothing that was in the result is gone or differs; fields may have been added."""
    shutil.copy(folder / "windows.jsonl", tmp_path)
    regenerate(tmp_path)
    then, now = (json.loads((place / "result.json").read_text(encoding="utf-8")) for place in (folder, tmp_path))

    assert list(differences(promised(then), promised(now))) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_journal_names_the_bottleneck(folder: Path, tmp_path: Path) -> None:
    """What limited each of these runs is known from its figures, and today's rules come to the same."""
    shutil.copy(folder / "windows.jsonl", tmp_path)
    bound = regenerate(tmp_path).verdict.bound

    assert (None if bound is None else bound.by) == BOTTLENECKS[folder.name]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_result_is_read(folder: Path) -> None:
    """Today's models take yesterday's document whole."""
    text = (folder / "result.json").read_text(encoding="utf-8")
    result = parse_result(text)

    assert list(differences(json.loads(text), json.loads(result.model_dump_json(by_alias=True)))) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_records_are_what_their_models_say(folder: Path) -> None:
    """The journal of a real run is valid, line by line."""
    for line in (folder / "windows.jsonl").read_text(encoding="utf-8").splitlines():
        RECORD.validate_json(line)


def test_every_format_has_a_golden_file() -> None:
    """A version that is read is kept as a file that a version of then has written."""
    texts = [path.read_text(encoding="utf-8") for folder in FOLDERS for path in folder.iterdir()]

    assert [version for version in (*FORMATS, SCHEMA) if not any(f'"{version}"' in text for text in texts)] == []


def test_every_type_of_record_is_in_a_golden_file() -> None:
    """Among them are windows of several workers, events, and messages that were left in queues."""
    journals = [(folder / "windows.jsonl").read_text(encoding="utf-8") for folder in FOLDERS]
    records = [json.loads(line) for text in journals for line in text.splitlines()]

    assert {record["type"] for record in records} == set(windows_schema()["discriminator"]["mapping"])


def test_a_difference_would_be_seen() -> None:
    """What is gone or differs is named with its place; what is new is not."""
    assert list(differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}], "d": 4})) == []
    assert list(differences({"a": [1, {"b": 2}], "e": 1}, {"a": [1, {"b": 3}]})) == [
        ".a[1].b was 2, and is 3",
        ".e is gone",
    ]


def test_a_figure_of_a_verdict_is_kept_and_its_words_are_not() -> None:
    """A finding may be said in other words and stand beside others; its number may not change."""
    finding = {"code": "backlog-growing", "group": None, "text": "grew", "value": 5.0}
    verdict = {"outcome": "pass", "reason": "all hold", "bound": {"text": "not known"}, "checks": []}
    then = {"verdict": {**verdict, "findings": [finding]}}
    reworded = {
        "verdict": {**verdict, "reason": "good", "findings": [{**finding, "code": "new"}, {**finding, "text": "rose"}]}
    }
    changed = {"verdict": {**verdict, "findings": [{**finding, "value": 6.0}]}}

    assert list(differences(promised(then), promised(reworded))) == []
    assert list(differences(promised(then), promised(changed))) == [
        ".verdict.findings.backlog-growing None.value was 5.0, and is 6.0"
    ]


def test_columns_of_the_table_have_units(tmp_path: Path) -> None:
    """Every figure of windows.csv has its unit in the column's name."""
    shutil.copy(GOLDEN / "staged-orders" / "windows.jsonl", tmp_path)
    regenerate(tmp_path)
    head = next(csv.reader(io.StringIO((tmp_path / "windows.csv").read_text(encoding="utf-8"))))
    figures = [column.partition("/")[0] for column in head if column not in {"phase", "group"}]

    assert "t_s" in figures
    assert [column for column in figures if not column.endswith(UNITS)] == []


def test_what_a_lost_worker_sent_was_offered(tmp_path: Path) -> None:
    """A message of which only the delivery is known was due, as it was sent; older journals keep what they gave."""
    totals = []
    for mark in (False, True):
        folder = tmp_path / str(mark)
        folder.mkdir()
        records = map(json.loads, (GOLDEN / "lost-worker" / "windows.jsonl").read_text(encoding="utf-8").splitlines())
        marked = [{**each, "is_offered": mark} if each["type"] == "lost_worker" else each for each in records]
        (folder / "windows.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in marked), encoding="utf-8")
        result = regenerate(folder)
        totals.append(result.groups["in"].totals)
        assert result.totals.offered == totals[-1]["offered"], "the run has one group that publishes"

    assert totals[0]["published"] == totals[1]["published"] == totals[1]["offered"]
    assert totals[0]["offered"] < totals[1]["offered"]
