from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from loadtest.errors import BrokerError, UsageError
from loadtest.report.json_file import result_json
from loadtest.report.run.announce import announce, check_json_file, complain
from loadtest.report.run.markdown import summary_md
from loadtest.result.run.build import build_result
from tests.unit.result.staged_run import flood

GITHUB = {"GITHUB_ACTIONS": "true"}
PASSED = build_result(flood(thresholds=["lost == 0"]).collector())
FAILED = build_result(flood(lose=1, thresholds=["lost == 0"]).collector())


def test_elsewhere_there_is_the_summary_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Without GitHub's environment no annotation is printed."""
    exit_code = announce(PASSED, Path("results/x"), json_file=None, environ={})
    printed = capsys.readouterr()

    assert exit_code == 0
    assert printed.out.endswith("results   results/x\n")
    assert "::" not in printed.out
    assert printed.err == ""


def test_on_github_annotations_follow_the_summary(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The step's summary gets a page for each run, after what was there."""
    step = tmp_path / "step.md"
    step.write_text("before\n")
    environ = {**GITHUB, "GITHUB_STEP_SUMMARY": str(step)}
    exit_codes = [announce(each, None, json_file=None, environ=environ) for each in (PASSED, FAILED)]
    lines = capsys.readouterr().out.split("\n")

    assert exit_codes == [0, 1]
    assert [line.partition(" title")[0] for line in lines if line.startswith("::")] == [
        *("::warning", "::notice"),
        *("::error", "::error", "::warning"),
    ]
    assert step.read_text(encoding="utf-8") == f"before\n{summary_md(PASSED)}\n{summary_md(FAILED)}\n"


def test_json_on_standard_output_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Summary and annotations then go to standard error, where GitHub reads them too."""
    exit_code = announce(FAILED, None, json_file=Path("-"), environ=GITHUB)
    printed = capsys.readouterr()

    assert exit_code == 1
    assert json.loads(printed.out)["verdict"]["exit_code"] == 1
    assert printed.out == result_json(FAILED)
    assert "FAIL (exit code 1)" in printed.err
    assert "::error title=" in printed.err


def test_json_is_written_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The same text as result.json, and the summary where it always is."""
    exit_code = announce(PASSED, None, json_file=tmp_path / "r.json", environ={})

    assert exit_code == 0
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == result_json(PASSED)
    assert "PASS (exit code 0)" in capsys.readouterr().out


@pytest.mark.parametrize("result,exit_code", [(PASSED, 4), (FAILED, 1)], ids=["passed", "failed"])
def test_json_that_cannot_be_written_is_no_success(
    result: object, exit_code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is said, the summary is there, and the exit code is not 0; a verdict that failed keeps its own."""
    path = tmp_path / "gone" / "r.json"
    found = announce(result, None, json_file=path, environ={})  # type: ignore[arg-type]

    assert found == exit_code
    assert capsys.readouterr().err == f"loadtest: {path}: cannot be written: No such file or directory\n"


def test_step_summary_that_cannot_be_written_changes_no_verdict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is GitHub's file: that it failed is said, and that is all."""
    exit_code = announce(PASSED, None, json_file=None, environ={**GITHUB, "GITHUB_STEP_SUMMARY": str(tmp_path)})

    assert exit_code == 0
    assert "the step's summary cannot be written: Is a directory" in capsys.readouterr().err


def test_terminal_without_unicode_gets_annotations_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """A character that the terminal has not is replaced, and nothing is raised; the JSON stays UTF-8."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    result = build_result(flood(name="größe").collector())
    announce(result, None, json_file=None, environ=GITHUB)
    announce(result, None, json_file=Path("-"), environ={})

    assert b"::notice title=gr?" in raw.getvalue()
    assert "größe".encode() in raw.getvalue()


def test_error_without_a_result_is_an_annotation_on_github(capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario's faults, of several lines, are one annotation; elsewhere they are only said."""
    complain(BrokerError("a\nb"), {})
    complain(BrokerError("a\nb"), GITHUB)

    assert capsys.readouterr().err == "loadtest: a\nb\n" * 2 + "::error title=loadtest::a%0Ab\n"


def test_json_file_is_looked_at_before_the_run(tmp_path: Path) -> None:
    """A folder that is not there is found out before an hour is measured."""
    for usable in (None, Path("-"), tmp_path / "r.json"):
        check_json_file(usable)

    with pytest.raises(UsageError, match="there is no folder"):
        check_json_file(tmp_path / "gone" / "r.json")
    with pytest.raises(UsageError, match="it is a folder"):
        check_json_file(tmp_path)
