"""
Spoilt results: whatever is in a run's folder, `report`, `check` and the side-by-side page say so, or show it.

The files of real runs, with bytes flipped, lines cut, doubled and moved, and values of other types, sizes and signs.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
import os
import random
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtest.commands.report import put_side_by_side
from loadtest.errors import LoadTestError, ResultsError
from loadtest.report.run.announce import announce
from loadtest.report.run.write import regenerate
from loadtest.report.second_verdict import judge_again as check

GOLDEN = Path(__file__).parents[2] / "golden"
RUNS = ("flood", "staged-orders", "slow-consumers")
JOURNALS = [(GOLDEN / run / "windows.jsonl").read_bytes() for run in RUNS]
RESULTS = [(GOLDEN / run / "result.json").read_bytes() for run in RUNS]
BASELINE = GOLDEN / "staged-orders"
FUZZ = settings(
    derandomize=True, deadline=None, database=None, max_examples=50, suppress_health_check=list(HealthCheck)
)
MOST_CPU_S = 20.0
ENVIRON = {"GITHUB_ACTIONS": "true"}

Path_: TypeAlias = tuple[str | int, ...]
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 255, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30,
    10**400, 0.5, -0.5, 1e300, 1e308, float("inf"), float("-inf"), float("nan"), "", " ", "x", "../../x", "/etc/passwd",
    "\0", "\ud800", "\u202e", "<script>alert(1)</script>", "]]>", "x" * 5000, "amqp://u:p@h", "%s%d", "=1+1", "|", "\n",
    "loadtest.window/1", "loadtest.windows/2", "measured", "drain", "done", "end", "run", "0", "1e5", "AAAA",
    "2020-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "2020-01-01", [], {}, [[]],
    [None], [1], [1, 2], [[1, 2]], [[2, 1]], [[1, 2, 3]], [[0, 2**62, 1]], [["x"]], {"": 1}, {"x": {}}, {"x": [1]},
    {"../x": 1}, ["../x"], ["x"] * 3, [0] * 100,
]  # fmt: skip


def paths_of(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of each value but the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield (*path, step)
        yield from paths_of(item, (*path, step))


def at(value: Any, path: Path_) -> Any:
    """Return what is at a path."""
    for step in path:
        value = value[step]
    return value


def spoil_value(value: Any, draw: random.Random) -> None:
    """Change one thing in a mapping or list."""
    paths = list(paths_of(value))
    if not paths:
        return
    path = draw.choice(paths)
    parent, step, how = at(value, path[:-1]), path[-1], draw.randrange(8)
    if how == 0:
        del parent[step]
    elif how == 1:
        parent[step] = copy.deepcopy(at(value, draw.choice(paths)))
    elif how == 2 and isinstance(parent[step], int | float):
        parent[step] = draw.choice([-parent[step], parent[step] + 1, parent[step] * 1000, parent[step] // 2])
    elif how == 3:
        parent[step] = [parent[step]]
    elif how == 4 and isinstance(parent, dict):
        parent[draw.choice(["x", "", "../x", "type", "format", "../../etc/x.confirm"])] = parent[step]
    elif how == 5 and isinstance(parent[step], str) and parent[step]:
        text, place = parent[step], draw.randrange(len(parent[step]))
        parent[step] = text[:place] + draw.choice(["", "A", "\0", text]) + text[place + 1 :]
    else:
        parent[step] = copy.deepcopy(draw.choice(ODD))


def spoil_bytes(content: bytes, draw: random.Random) -> bytes:
    """Flip, cut, double or put in some bytes."""
    spoilt = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(max(len(spoilt), 1))
        how = draw.randrange(5)
        if how == 0 and spoilt:
            spoilt[place] ^= 1 << draw.randrange(8)
        elif how == 1 and spoilt:
            spoilt[place] = draw.randrange(256)
        elif how == 2:
            del spoilt[place : place + draw.randint(1, 40)]
        elif how == 3:
            spoilt[place:place] = spoilt[place : place + draw.randint(1, 40)]
        else:
            spoilt[place:place] = draw.choice(
                [b"\0" * 8, b"\n", b"NaN", b"1e999", b"[" * 3000, b'{"a":' * 900, b"\xff"]
            )
    return bytes(spoilt)


def spoil_lines(content: bytes, draw: random.Random) -> bytes:
    """Take out, double, exchange or cut lines."""
    lines = content.splitlines(keepends=True)
    for _ in range(draw.randint(1, 3)):
        place, other, how = draw.randrange(len(lines)), draw.randrange(len(lines)), draw.randrange(5)
        if how == 0 and len(lines) > 1:
            del lines[place]
        elif how == 1:
            lines.insert(other, lines[place])
        elif how == 2:
            lines[place], lines[other] = lines[other], lines[place]
        elif how == 3:
            lines[place] = lines[place][: draw.randrange(len(lines[place]))]
        else:
            other_lines = draw.choice(JOURNALS).splitlines(keepends=True)
            lines.insert(place, draw.choice(other_lines))
    return b"".join(lines)


def spoil_records(content: bytes, draw: random.Random) -> bytes:
    """Change values in one or more records."""
    records = [json.loads(line) for line in content.splitlines()]
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        spoil_value(draw.choice(records), draw)
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def spoil_document(content: bytes, draw: random.Random) -> bytes:
    """Change values in a document."""
    document = json.loads(content)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        spoil_value(document, draw)
    return json.dumps(document).encode()


def listing(folder: Path) -> set[str]:
    """Return all that is below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def attempt(action: Callable[[], object]) -> str:
    """Return what an action printed or complained of; another exception than ours is the test's failure."""
    begin_s = time.process_time()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            action()
        except LoadTestError as error:
            return str(error)
    assert time.process_time() - begin_s < MOST_CPU_S
    return printed.getvalue()


def use(folder: Path) -> None:
    """Do with the run in *folder* what people do, and fail if a file comes outside of where it belongs."""
    outside = listing(folder.parent) - {f"{folder.name}/{name}" for name in listing(folder)}

    attempt(lambda: check(folder, ["lost == 0"], None, (), ()))
    attempt(lambda: check(folder, (), BASELINE, ["shop.confirm.p99 10%"], ["scenario", "broker", "host"]))
    attempt(lambda: put_side_by_side([folder, BASELINE], folder / "page.html"))
    attempt(lambda: announce(regenerate(folder), folder, json_file=folder / "again.json", environ=ENVIRON))

    assert all(os.sep not in name for name in listing(folder))
    assert outside == listing(folder.parent) - {f"{folder.name}/{name}" for name in listing(folder)}


def run_folder(tmp: Path, journal: bytes | None, document: bytes | None) -> Path:
    """Return a folder of a run with these files and no other."""
    folder = tmp / "results" / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in (("windows.jsonl", journal), ("result.json", document)):
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def spoilt_journal(draw: random.Random) -> bytes:
    """Return a journal with something wrong."""
    spoil = draw.choice([spoil_records, spoil_records, spoil_records, spoil_lines, spoil_bytes])
    return spoil(draw.choice(JOURNALS), draw)


def spoilt_document(draw: random.Random) -> bytes:
    """Return a document with something wrong."""
    spoil = draw.choice([spoil_document, spoil_document, spoil_document, spoil_lines, spoil_bytes])
    return spoil(draw.choice(RESULTS), draw)


@FUZZ
@given(st.randoms(use_true_random=False))
def test_a_spoilt_journal(tmp_path_factory: pytest.TempPathFactory, draw: random.Random) -> None:
    """A journal gives a report of what can be read of it, or an error of ours; no file comes outside of its folder."""
    use(run_folder(tmp_path_factory.getbasetemp() / "journal", spoilt_journal(draw), None))


@FUZZ
@given(st.randoms(use_true_random=False))
def test_a_spoilt_document(tmp_path_factory: pytest.TempPathFactory, draw: random.Random) -> None:
    """A result.json is judged and put beside another, or is an error of ours."""
    use(run_folder(tmp_path_factory.getbasetemp() / "document", JOURNALS[1], spoilt_document(draw)))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["journal", "document"])
@settings(FUZZ, max_examples=6_000)
@given(draw=st.randoms(use_true_random=False))
def test_spoilt_results_at_length(kind: str, tmp_path_factory: pytest.TempPathFactory, draw: random.Random) -> None:
    """The same, with as many as minutes allow."""
    journal, document = (spoilt_journal(draw), None) if kind == "journal" else (JOURNALS[1], spoilt_document(draw))
    use(run_folder(tmp_path_factory.getbasetemp() / f"long-{kind}", journal, document))


def changed(kind: str, path: Path_, value: Any) -> bytes:
    """Return a real journal in which one value of one record, the last of a type, is another."""
    lines = next(journal for journal in JOURNALS if f'"type":"{kind}"'.encode() in journal).splitlines()
    place, record = next(
        (place, record) for place in reversed(range(len(lines))) if (record := json.loads(lines[place]))["type"] == kind
    )
    at(record, path[:-1])[path[-1]] = value
    lines[place] = json.dumps(record).encode()
    return b"\n".join(lines) + b"\n"


BOMB = base64.b64encode(zlib.compress(b" " * (1 << 27) + b"{}")).decode()
ROWS = {"publisher": [0], "first": [0], "count": [1 << 62], "step": [1]}
# What once came out as a traceback, or as a result that says nothing of it.
DAMAGED = {
    "phase without its time": ("phase", ("at_ns",), "x"),
    "phase of no name": ("phase", ("phase",), 0.5),
    "gauges that are a number": ("window", ("gauges",), 1),
    "a gauge that is text": ("window", ("gauges", "cpu"), "done"),
    "a gauge beyond all": ("broker", ("gauges", "machine.cpu"), 10**400),
    "a gauge that is no number": ("broker", ("gauges", "machine.cpu"), float("nan")),
    "a time beyond 64 bits": ("window", ("end_ns",), 2**64),
    "what is left is infinite": ("queue", ("left",), float("inf")),
    "end without its time": ("end", ("ended_at",), "1"),
    "end without a time zone": ("end", ("ended_at",), "2020-01-01T00:00:00"),
    "messages without end": ("window", ("ledger",), {"published": ROWS}),
    "a publisher beyond all": ("window", ("ledger",), {"published": {**ROWS, "publisher": [1 << 40], "count": [1]}}),
    "a ledger that unpacks without end": ("window", ("ledger",), {"zlib": BOMB}),
    "a deep ledger": ("window", ("ledger",), {"zlib": base64.b64encode(zlib.compress(b"[" * 200_000)).decode()}),
}


@pytest.mark.parametrize("kind, path, value", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_record_is_said(tmp_path: Path, kind: str, path: Path_, value: Any) -> None:
    """A record with a value that cannot be is passed over, and the result says so; the rest of it is reported."""
    folder = run_folder(tmp_path, changed(kind, path, value), None)
    use(folder)

    document = json.loads((folder / "again.json").read_text())
    assert document["verdict"]["outcome"] in {"fail", "inconclusive"}
    assert any("1 line of it cannot be read" in event["text"] for event in document["events"])


@pytest.mark.parametrize(
    "path, value",
    [
        (("scenario", "text"), False),
        (("scenario", "overrides"), True),
        (("started_at",), "yesterday"),
        (("start_ns",), []),
        (("publishers", 0, "group"), "nobody"),
        (("publishers", 0, "group"), []),
        (("groups",), {"x": {"kind": "cconsumer", "model": "closed"}}),
    ],
    ids=str,
)
def test_a_damaged_run_record_is_an_error(tmp_path: Path, path: Path_, value: Any) -> None:
    """Without its first record nobody can say what a journal is of."""
    folder = run_folder(tmp_path, changed("run", path, value), None)

    with pytest.raises(ResultsError, match="it has no run record that can be read"):
        regenerate(folder)


NAMES = ("../../escaped", "/escaped", "..", "a/b", "a\0b", "x" * 300, "con\nfirm", "<b>", "-rf", "ü")


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_journal_make_no_ways_out(tmp_path: Path, name: str) -> None:
    """Groups and latencies are named in files; what a journal calls them leads to no file outside of the folder."""
    journal = JOURNALS[1]
    for known in (b'"shop"', b'"confirm"', b'"end_to_end"'):
        journal = journal.replace(known, json.dumps(name).encode())

    use(run_folder(tmp_path, journal, None))
