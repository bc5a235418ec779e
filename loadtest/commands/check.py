"""`loadtest check`: a run that is over, judged again: by other thresholds, and beside an older run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loadtest.commands.options import Thresholds


def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    threshold: Thresholds = None,
    baseline: Annotated[Path | None, typer.Option(help="Folder of an older run to compare with.")] = None,
    max_regression: Annotated[
        list[str] | None,
        typer.Option(metavar="'METRIC SHARE'", help="How much worse than the older run it may be; repeatable."),
    ] = None,
    despite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT", help="Compare although they differ in this: scenario, broker or host; repeatable."
        ),
    ] = None,
) -> None:
    """Judge a finished run again: by its own and more thresholds, and against an older run."""
    from loadtest.report.second_verdict import judge_again

    result = judge_again(folder, threshold or (), baseline, max_regression or (), despite or ())
    raise typer.Exit(result.verdict.exit_code)
