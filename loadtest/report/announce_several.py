"""
What is printed of a comparison, a search for a capacity and a sweep when it is over, as `announce` does it of a run.

Apart from `announce`, so that a run does not load the documents of several.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from loadtest.report.annotations_several import capacity_annotations, comparison_annotations, sweep_annotations
from loadtest.report.capacity.capacity_files import capacity_json
from loadtest.report.capacity.capacity_text import capacity_markdown, print_capacity
from loadtest.report.compare.comparison_text import comparison_markdown, print_comparison
from loadtest.report.run.announce import STANDARD_OUTPUT, exit_code_of, tell_github
from loadtest.report.sweep.sweep_text import print_sweep, sweep_markdown
from loadtest.result.capacity.capacity_result import CapacityResult
from loadtest.result.compare.compare_result import CompareResult
from loadtest.result.sweep_result import SweepResult


def announce_comparison(result: CompareResult, environ: Mapping[str, str]) -> None:
    """
    Say what came of a comparison.

    Args:
        result: What is said.
        environ: As for `announce`.
    """
    print_comparison(result, sys.stdout)
    tell_github(comparison_annotations(result), comparison_markdown(result), environ, sys.stdout)


def announce_sweep(result: SweepResult, environ: Mapping[str, str]) -> None:
    """
    Say what came of a sweep.

    Args:
        result: What is said.
        environ: As for `announce`.
    """
    print_sweep(result, sys.stdout)
    tell_github(sweep_annotations(result), sweep_markdown(result), environ, sys.stdout)


def announce_capacity(result: CapacityResult, *, json_file: Path | None, environ: Mapping[str, str]) -> int:
    """
    Say what a search for a capacity found, and return the exit code of the process, as `announce` does.

    Args:
        result: What is said.
        json_file: Where `capacity.json` goes besides; `-` is standard output.
        environ: As for `announce`.
    """
    page = sys.stderr if json_file == STANDARD_OUTPUT else sys.stdout
    print_capacity(result, page)
    tell_github(capacity_annotations(result), capacity_markdown(result), environ, page)
    return exit_code_of(result.exit_code, capacity_json(result), json_file)
