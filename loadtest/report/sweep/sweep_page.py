"""
`sweep.html`: how figures depend on what was varied, on one page that needs nothing else.

As `page` is: words and tables are made here, charts by a script from data that the page carries. Pure: the document in,
a text out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadtest.report.run.run_page import render_page
from loadtest.report.run.terminal import moment
from loadtest.report.sweep.sweep_charts import sweep_data
from loadtest.report.sweep.sweep_text import (
    figure_text,
    is_doubtful,
    is_gap,
    outcome_word,
    own_marks,
    remarks,
    runs_text,
    value_text,
    what_texts,
)
from loadtest.result.sweep_result import PointPart, SweepResult, SweepRunPart, counts

FILE_NAME: Final = "sweep.html"
_FEW_RUNS: Final = 40
"""As many stand open; more are folded."""


def sweep_html(result: SweepResult, pages: Mapping[str, str] | None = None) -> str:
    """
    Return the page of a sweep.

    Args:
        result: What was swept.
        pages: By the folder of a run: the path of its own page from this one, as a link has it.
    """
    return render_page(
        "sweep.html.j2",
        sweep_data(result),
        scripts=("sweep.js", "report.js"),
        result=result,
        word=outcome_word(result),
        outcome=_outcome(result),
        what=list(what_texts(result))[-1],
        repeated=runs_text(result),
        facts=[f"started {moment(result.started_at)}", f"ended {moment(result.ended_at)}"],
        remarks=list(remarks(result)),
        point_rows=[_point(result, point, pages or {}) for point in result.points],
        few_runs=_FEW_RUNS,
        run_rows=list(_runs(result, pages or {})),
    )


def _outcome(result: SweepResult) -> str:
    """Return the class of the page's head: green only where nothing is to be known of any run."""
    if outcome_word(result) == "Done":
        return "neutral" if is_doubtful(result) else "pass"
    return "fail" if outcome_word(result) == "Messages lost" else "open"


def _point(result: SweepResult, point: PointPart, pages: Mapping[str, str]) -> dict[str, Any]:
    return {
        "values": [axis.values[place].text for axis, place in zip(result.axes, point.at, strict=True)],
        "figures": [figure_text(metric, point.figures.get(metric.name)) for metric in result.metrics],
        "reports": [
            {"number": run.round, "page": pages[run.folder], "text": run.round if len(point.runs) > 1 else "report"}
            for run in point.runs
            if run.folder in pages
        ],
        "remarks": ", ".join(own_marks(result, point)),
        "is_gap": is_gap(point),
    }


def _runs(result: SweepResult, pages: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the runs in the order in which they were made."""
    runs = [(run, point) for point in result.points for run in point.runs]
    for run, point in sorted(runs, key=lambda each: (each[0].round, each[0].turn)):
        yield {
            "turn": f"{run.round}.{run.turn + 1}",
            "values": [axis.values[place].text for axis, place in zip(result.axes, point.at, strict=True)],
            "figures": [value_text(metric, run.values.get(metric.name)) for metric in result.metrics],
            "page": pages.get(run.folder),
            "remarks": _remarks(run),
            "is_counted": counts(run),
        }


def _remarks(run: SweepRunPart) -> str:
    if not run.exit_code and not run.marks:
        return ""
    code = f"exit code {run.exit_code}: {run.reason}" if run.exit_code else ""
    return "; ".join(text for text in (", ".join(run.marks), code) if text)
