"""A sweep as people and programs read it: terminal, Markdown, CSV, and what its page says and carries."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtest.errors import ResultsError
from loadtest.report.sweep.sweep_charts import scale_of, sweep_data
from loadtest.report.sweep.sweep_csv import sweep_csv
from loadtest.report.sweep.sweep_page import sweep_html
from loadtest.report.sweep.sweep_report import SWEEP
from loadtest.report.sweep.sweep_text import figure_text, sweep_markdown
from loadtest.result.sweep_result import SweepMetricPart, figure_of
from tests.unit.report.staged_sweep import SIZES, TYPES, USERS, sweep
from tests.unit.report.test_html_page import HOSTILE, carried

WHOLE = sweep()


def printed(result: object, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a person sees."""
    SWEEP.publish_summary(result, {})  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_two_axes_are_a_grid_for_each_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """Down is the first, across the second; what was asked stands above, what came of it at the end."""
    text = printed(sweep(gap=4, marked=8), capsys)
    lines = text.splitlines()
    first = lines.index("p.confirmed_rate")

    assert lines[0] == "steady-1kb, swept"
    assert lines[1:4] == ["body.size = 12B, 1KB, 10KB", "publishers.p.users = 1, 2, 4", "set run.duration=2s"]
    assert lines[first + 1].split() == ["size", "\\", "users", "1", "2", "4"]
    assert lines[first + 2].split() == ["12B", "37,229/s", "±2.33%", "18,615/s", "±2.33%", "12,410/s", "±2.33%"]
    assert lines[first + 3].split() == ["1KB", "18,615/s", "±2.33%", "failed", "9,307.4/s", "±2.33%"]
    assert "! 2 of 18 runs failed and count for nothing (at size 1KB, users 2)" in lines
    assert "! 1 of 18 runs was bound by the generator" in text
    assert "! 7,445.9/s ±2.33%" in text
    assert "DONE, WITH GAPS (exit code 5): 2 of 18 runs failed, the first runs/01-5-p" in text
    assert "1 of 18 bound by the generator" in " ".join(text.split())
    assert all(len(line) <= 80 for line in lines)


def test_what_is_so_of_all_runs_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A mark that every run that counts has stands at no figure, and of no point in particular."""
    marked = sweep(gap=4, everywhere="disturbed")
    text = printed(marked, capsys)

    assert "! all 16 runs that count had other programs at work beside them\n" in text
    assert text.count("!") == 2
    assert {point["marks"] for point in sweep_data(marked)["points"]} == {"", "failed"}


@pytest.mark.parametrize("vary", [(SIZES,), (SIZES, USERS, TYPES)], ids=["one", "three"])
def test_other_numbers_of_axes_are_a_row_a_point(vary: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With a column for each axis and each metric that has room."""
    result = sweep(vary, repeats=1)
    lines = printed(result, capsys).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("size "))
    row = lines[head + 1].split()

    assert lines[head].split()[: len(vary) + 1] == [*(axis.name for axis in result.axes), "p.confirmed_rate"]
    assert row[: len(vary)] == [axis.values[0].text for axis in result.axes]
    assert "38,095/s" in row
    assert len(lines[head + 1 :]) >= len(result.points)
    assert lines[-1] == f"DONE (exit code 0): {len(result.points)} points, {len(result.points)} runs, all with figures"


@pytest.mark.parametrize(
    "values, expected",
    [([1234.0], "1,234/s"), ([1200.0, 1300.0, 1400.0], "1,300/s ±7.69%"), ([0.0, 0.0], "0/s")],
)
def test_a_figure_has_its_spread_where_there_are_several_runs(values: list[float], expected: str) -> None:
    """Half of the range, as a share of the median."""
    assert figure_text(SweepMetricPart(name="x", unit="rate"), figure_of(values)) == expected
    assert figure_text(SweepMetricPart(name="x", unit="rate"), None) == "–"


HEAD = (
    "body.size_bytes,topology.queues.q.type,round,turn,exit_code,marks,"
    "p.confirmed_rate_per_s,c.end_to_end.p99_ns,broker.cpu.mean_cores,folder"
)


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_csv_is_a_formula(begin: str) -> None:
    """What a scenario's author, or whoever names a value, writes is a text to a spreadsheet; numbers stay numbers."""
    evil = f"{begin}1+HYPERLINK(A1)"
    result = sweep((SIZES, "publishers.p.exchange=a,b"), gap=0, marked=5)
    axis = result.axes[1]
    values = (axis.values[0].model_copy(update={"text": evil}), *axis.values[1:])
    axes = (result.axes[0], axis.model_copy(update={"values": values, "path": evil}))
    rows = list(csv.reader(io.StringIO(sweep_csv(result.model_copy(update={"axes": axes})), newline="")))
    cells = [cell for row in rows for cell in row]

    safe = f"'{evil}".replace("\r", " ")
    assert safe in rows[0]
    assert safe in {row[1] for row in rows[1:]}
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert {row[0] for row in rows[1:]} == {"12", "1000", "10000"}


def test_the_csv_has_a_row_a_run_in_plain_numbers() -> None:
    """Axes that are quantities as numbers, with the unit in the name of the column; what failed has no figures."""
    text = sweep_csv(sweep((SIZES, TYPES), gap=0, marked=5))
    rows = list(csv.DictReader(io.StringIO(text)))

    assert text.splitlines()[0] == HEAD
    assert len(rows) == 12
    assert rows[0] == {
        "body.size_bytes": "12",
        "topology.queues.q.type": "quorum",
        "round": "1",
        "turn": "0",
        "exit_code": "3",
        "marks": "failed",
        "p.confirmed_rate_per_s": "",
        "c.end_to_end.p99_ns": "",
        "broker.cpu.mean_cores": "",
        "folder": "runs/01-1-p",
    }
    assert (rows[-1]["body.size_bytes"], rows[-1]["marks"]) == ("10000", "generator-bound not-passed")
    assert float(rows[-1]["broker.cpu.mean_cores"]) == pytest.approx(0.25 * 4 * 1.1)


@pytest.mark.parametrize(
    "numbers, expected",
    [
        ([1, 2, 4, 8], "log"),
        ([12, 1000, 10_000], "log"),
        ([1, 2, 3, 4], "linear"),
        ([100, 200, 300], "linear"),
        ([0, 1, 10, 100], "linear"),
        ([1, 2], "linear"),
        ([1, 1000], "log"),
        ([5], "linear"),
        ([], "category"),
    ],
)
def test_axes_that_grow_by_factors_are_logarithmic(numbers: list[float], expected: str) -> None:
    """Whichever of steps and factors are more alike; 0 has no logarithm."""
    assert scale_of(numbers) == expected


def test_the_page_carries_every_figure() -> None:
    """Axes with places, points with marks, and by metric the median, least and most of each point; null is a gap."""
    data = sweep_data(sweep((SIZES, TYPES), gap=1, marked=5))

    assert [axis["scale"] for axis in data["axes"]] == ["log", "category"]
    assert data["axes"][0]["places"] == pytest.approx([1.0792, 3, 4], abs=1e-4)
    assert data["axes"][1]["places"] == [0, 1]
    assert data["points"][1] == {"at": [0, 1], "marks": "failed", "failed": True}
    assert data["points"][5]["marks"] == "generator-bound, not-passed"
    rates, latencies, cores = data["metrics"]
    assert rates["figures"][0] == pytest.approx([37229, 36364, 38095], rel=1e-3)
    assert rates["figures"][1] is None
    assert (rates["log"], latencies["log"], cores["log"]) == (False, True, False)
    assert (rates["unit"], latencies["unit"], cores["unit"]) == ("rate", "ns", "cores")
    assert carried(sweep_html(sweep((SIZES, TYPES), gap=1, marked=5))) == data


def test_figures_of_the_charts_are_rounded_once() -> None:
    """1,000.649 that became 1,000.65 on its way was 1,000.7 in the chart beside 1,000.6 in the table."""
    result = sweep((SIZES,))
    known = [[point.figures[metric.name].median for point in result.points] for metric in result.metrics]

    assert [[figures[0] for figures in metric["figures"]] for metric in sweep_data(result)["metrics"]] == known


def test_the_page_says_in_tables_what_its_charts_show() -> None:
    """The verdict first, then every point and every run, with links to the reports that there are."""
    result = sweep(gap=4, marked=8)
    page = sweep_html(result, {"runs/01-1-p": "runs/01-1-p/2026/report.html"})
    body = page[page.index("<body>") :]

    assert '<header class="verdict open">' in body
    assert body.index('id="verdict"') < body.index("<h1>") < body.index('id="points"') < body.index('id="runs"')
    assert body.count('<a href="runs/01-1-p/2026/report.html"') == 2
    assert body.count("<tr") >= len(result.points) + 18
    assert "37,229/s ±2.33%" in body
    assert "exit code 3: the broker went away" in body


@pytest.mark.parametrize(
    "result, head, word",
    [
        (WHOLE, "pass", "Done"),
        (sweep(gap=0), "open", "Done, with gaps"),
        (sweep(complete=False), "open", "Interrupted"),
        (WHOLE.model_copy(update={"exit_code": 1}), "fail", "Messages lost"),
    ],
    ids=["done", "gaps", "interrupted", "lost"],
)
def test_the_head_says_what_came_of_it(result: object, head: str, word: str) -> None:
    """Green only where every point has its figures and nothing is lost."""
    page = sweep_html(result)  # type: ignore[arg-type]

    assert f'<header class="verdict {head}">' in page
    assert f"<strong>{word}</strong>" in page
    assert ("loadtest sweep --resume" in page) is (word == "Interrupted")


def test_what_comes_from_outside_is_text() -> None:
    """Names and values with markup in them are escaped, on the page and in Markdown."""
    result = sweep((f"variables.x={HOSTILE},b",), scenario=HOSTILE)

    assert HOSTILE not in sweep_html(result)
    assert "<script" not in sweep_markdown(result)


def test_the_markdown_has_every_point_and_metric() -> None:
    """Whatever the width of a terminal."""
    text = sweep_markdown(sweep((SIZES, USERS, TYPES), gap=2))

    assert text.startswith("# steady-1kb, swept\n")
    assert "| `size` | `users` | `type` | `p.confirmed_rate` | `c.end_to_end.p99` | `broker.cpu.mean` |" in text
    assert "| `12B` | `2` | `quorum` | failed | failed | failed |" in text
    assert text.count("\n| `") == 1 + 18
    assert "**Done, with gaps**: 2 of 36 runs failed" in text


def test_files_are_made_again(tmp_path: Path) -> None:
    """From the document alone; what is no sweep, or of another version, is refused."""
    (tmp_path / "sweep.json").write_text(WHOLE.model_dump_json(by_alias=True))
    run = tmp_path / "runs" / "01-1-p" / "2026-run"
    run.mkdir(parents=True)
    (run / "report.html").touch()
    page = SWEEP.write(tmp_path, SWEEP.read(tmp_path))

    assert SWEEP.is_in(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "summary.md",
        "sweep.csv",
        "sweep.html",
        "sweep.json",
    ]
    assert '<a href="runs/01-1-p/2026-run/report.html"' in page.read_text()
    (tmp_path / "sweep.json").write_text(WHOLE.model_dump_json(by_alias=True).replace("sweep/1", "sweep/9"))
    with pytest.raises(ResultsError, match="not a sweep of this version: schema"):
        SWEEP.read(tmp_path)
    with pytest.raises(ResultsError, match="cannot be read"):
        SWEEP.read(tmp_path / "runs")


def test_github_hears_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An annotation with the outcome, one for what is to be known, and the summary of the step."""
    summary = tmp_path / "step.md"
    SWEEP.publish_summary(sweep(gap=4), {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    out = capsys.readouterr().out

    assert "::error title=steady-1kb%3A done%2C with gaps (exit code 5)::2 of 18 runs failed" in out
    assert "::warning title=steady-1kb%3A runs::2 of 18 runs failed and count for nothing" in out
    assert summary.read_text().startswith("# steady-1kb, swept")
