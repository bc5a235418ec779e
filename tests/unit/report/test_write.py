from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from loadtest.clock import NS_PER_S
from loadtest.errors import ResultsError
from loadtest.report.folder import write_file
from loadtest.report.json_file import parse_result
from loadtest.report.run.write import regenerate, write_results
from tests.unit.result.staged_run import START_NS, StagedRun, flood, orders

FILES = {
    "junit.xml",
    "report.html",
    "result.json",
    "scenario.yaml",
    "summary.md",
    "windows.csv",
    "windows.jsonl",
    "billing.end_to_end.hgrm",
    "billing.end_to_end.hlog",
    "billing.end_to_end_uncorrected.hgrm",
    "billing.end_to_end_uncorrected.hlog",
    "shop.confirm.hgrm",
    "shop.confirm.hlog",
    "shop.confirm_uncorrected.hgrm",
    "shop.confirm_uncorrected.hlog",
    "shop.lateness.hgrm",
    "shop.lateness.hlog",
}


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("run", [orders(), flood(lose=2)], ids=["orders", "lost"])
def test_regenerating_gives_the_same_files_byte_by_byte(tmp_path: Path, run: StagedRun) -> None:
    """A report made from the journal is the report that the run wrote."""
    run.journal(tmp_path)
    first = write_results(tmp_path, run.collector())
    written = contents(tmp_path)
    for name in written.keys() - {"windows.jsonl"}:
        (tmp_path / name).unlink()
    again = regenerate(tmp_path)

    assert contents(tmp_path) == written
    assert again == first


def test_every_file_is_written(tmp_path: Path) -> None:
    """A folder has the result, the scenario, the timeline and both HDR files of each latency."""
    run = orders()
    run.journal(tmp_path)
    write_results(tmp_path, run.collector())

    assert contents(tmp_path).keys() == FILES


def test_written_result_reads_back_equal(tmp_path: Path) -> None:
    """`result.json` holds all that the result in memory has."""
    run = flood()
    result = write_results(tmp_path, run.collector())

    assert parse_result((tmp_path / "result.json").read_text(encoding="utf-8")) == result


def test_lost_messages_are_dated_from_the_journal(tmp_path: Path) -> None:
    """An example of a lost message says in which second it was sent."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")})
    run.phase("measured", 0)
    for second in range(3):
        seqs = range(second * 10, second * 10 + 10)
        intended = run.publish("shop", seqs, second * NS_PER_S)
        run.confirm("shop", seqs, intended, 1_000)
        came = 9 if second == 1 else 10
        run.deliver("billing", seqs[:came], intended[:came], 2_000)
        run.cut((second + 1) * NS_PER_S, "measured")
    run.end(3 * NS_PER_S)
    run.journal(tmp_path)
    (lost,) = write_results(tmp_path, run.collector()).ledger.lost_examples

    assert (lost.seq, lost.sent_from_s, lost.sent_to_s) == (19, 1.0, 2.0)
    assert (lost.confirmed_from_s, lost.confirmed_to_s) == (1.0, 2.0)


def test_killed_run_is_regenerated_and_marked_incomplete(tmp_path: Path) -> None:
    """A journal without an end, its last line cut off, gives all files and exit code 4."""
    run = orders()
    del run.records[-3:]
    run.journal(tmp_path)
    with (tmp_path / "windows.jsonl").open("a", encoding="utf-8") as journal:
        journal.write('{"type":"window","wor')
    result = regenerate(tmp_path)

    assert (result.complete, result.verdict.exit_code) == (False, 4)
    assert result.totals.published == 4_000
    assert contents(tmp_path).keys() == FILES


@pytest.mark.parametrize(
    "content,reason",
    [
        (None, "not the results of a run"),
        ("", "no run record"),
        ("[]\n", "no run record"),
        ('{"type":"window"}\n', "a journal begins with 'run'"),
        ('{"type":"run","format":"loadtest.windows/99"}\n', "format"),
    ],
)
def test_folder_without_a_journal_of_a_run_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    """What is not the results of a run is said in a line, and nothing is written."""
    if content is not None:
        (tmp_path / "windows.jsonl").write_text(content, encoding="utf-8")
    before = contents(tmp_path)

    with pytest.raises(ResultsError, match=reason):
        regenerate(tmp_path)
    assert contents(tmp_path) == before


def test_journal_that_lies_about_names_writes_nothing_outside(tmp_path: Path) -> None:
    """A group named like a path makes files in the folder and nowhere else."""
    folder = tmp_path / "run"
    folder.mkdir()
    run = StagedRun({"../../evil": ("publisher", "closed")}, routes=[[]], name="../../evil")
    run.phase("measured", 0)
    run.confirm("../../evil", range(1), run.publish("../../evil", range(1), 0), 1_000)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    run.journal(folder)
    regenerate(folder)

    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    assert "evil.confirm.hlog" in contents(folder)


def test_what_can_be_written_is_written_when_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be written does not keep the others from it, and every one is named."""

    def failing(folder: Path, name: str, content: str) -> Path:
        if name.endswith((".csv", ".yaml")):
            raise ResultsError(f"{name}: No space left on device")
        return write_file(folder, name, content)

    monkeypatch.setattr("loadtest.report.folder.write_file", failing)

    with pytest.raises(ResultsError, match=r"scenario\.yaml: No space.*\nwindows\.csv: No space"):
        write_results(tmp_path, flood().collector())
    assert "result.json" in contents(tmp_path)


def test_secrets_are_in_no_file(tmp_path: Path) -> None:
    """A password in a scenario or an event is replaced in every file that is made from them."""
    run = flood(text="password: hunter2\n")
    run.records.insert(1, {"type": "event", "at_ns": START_NS, "code": "x", "text": "amqp://u:hunter2@h refused"})
    write_results(tmp_path, run.collector())
    written = contents(tmp_path)

    assert not [name for name, content in written.items() if b"hunter2" in content]
    assert written["scenario.yaml"].startswith(b"# Secrets in this file were replaced by ***")


def test_csv_has_units_in_its_names_and_a_row_a_group_and_second(tmp_path: Path) -> None:
    """The table can be read by any reader of CSV, and its columns say what they hold."""
    write_results(tmp_path, orders(seconds=2).collector())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "windows.csv").read_text(encoding="utf-8"))))

    assert [(row["t_s"], row["phase"], row["group"]) for row in rows] == [
        (second, phase, group)
        for second, phase in (("0", "warm_up"), ("1", "measured"))
        for group in ("shop", "billing", "")
    ]
    assert rows[3]["published_per_s"] == "1000.0"
    assert rows[4]["end_to_end_max_ns"] == "5000000"
    assert rows[5]["cpu_cores"] == "0.25"
    assert rows[3]["cpu_cores"] == ""


@pytest.mark.parametrize("text", ["[]", "{", '{"schema": "loadtest.result/2"}'])
def test_text_that_is_no_result_is_refused(text: str) -> None:
    """Another version or something else altogether is an error of results."""
    with pytest.raises(ResultsError, match="not a result of this version"):
        parse_result(text)


def test_document_is_plain_json(tmp_path: Path) -> None:
    """Any JSON reader reads it, and the schema is its first field."""
    write_results(tmp_path, flood().collector())
    document = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))

    assert next(iter(document.items())) == ("schema", "loadtest.result/1")
    assert document["verdict"]["outcome"] == "pass"
