from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.report.run.annotations import command, github_annotations
from loadtest.result.run.build import build_result
from loadtest.result.run.document import CheckPart, RunResult
from tests.unit.result.staged_run import StagedRun, broker_lost, cut_off, flood, nothing, orders

COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def result_of(run: StagedRun) -> RunResult:
    """Return the result of a run."""
    return build_result(run.collector())


def shown(result: RunResult) -> list[tuple[str, str, str]]:
    """Return kind, title and message of each annotation, as GitHub reads them."""
    found = []
    for line in github_annotations(result):
        match = COMMAND.fullmatch(line)
        assert match is not None, line
        title = match[2].replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        found.append((match[1], title, match[3].replace("%0A", "\n").replace("%25", "%")))
    return found


def test_passed_run_is_a_notice_and_its_findings_warnings() -> None:
    """What weakens a figure is a warning; that it passed is a notice, and there is no error."""
    found = shown(result_of(flood(thresholds=["lost == 0"])))

    assert [kind for kind, _, _ in found] == ["warning", "notice"]
    assert found[0][1] == "flood: too-few-samples"
    assert found[1][1:] == ("flood passed", "1 of 1 threshold holds; 1,000 published, 1,000 got, 0 lost")


def test_each_failed_threshold_is_an_error() -> None:
    """With what it came to, and the note that weakens it; those that hold are left out."""
    thresholds = ["lost == 0", "shop.confirm.p99 < 1ms", "shop.confirm.p99.9 < 1ms", "shop.get.p99 < 1ms"]
    errors = [text for kind, _, text in shown(result_of(orders(thresholds=thresholds))) if kind == "error"]

    assert errors[0] == "shop.confirm.p99 < 1ms came to 3.00 ms"
    assert errors[1].startswith("shop.confirm.p99.9 < 1ms came to 3.00 ms\np99.9 of 3,000 values")
    assert errors[2].startswith("shop.get.p99 < 1ms has no value\n")
    assert len(errors) == 3


@pytest.mark.parametrize(
    "run,title",
    [
        (flood(lose=2, thresholds=["lost == 0"]), "flood: fail (exit code 1)"),
        (nothing(), "staged: nothing-measured (exit code 4)"),
        (cut_off(), "orders: inconclusive (exit code 4)"),
        (broker_lost(), "broker-killed: error (exit code 3)"),
    ],
    ids=["lost", "nothing", "cut off", "broker lost"],
)
def test_what_no_threshold_says_is_the_first_error(run: StagedRun, title: str) -> None:
    """A loss, and a run that is no ground to pass, come before the thresholds, with the verdict's reason."""
    result = result_of(run)

    assert shown(result)[0] == ("error", title, result.verdict.reason)
    assert not [text for kind, _, text in shown(result) if kind == "notice"]


def test_ten_of_a_kind_are_shown_and_the_last_counts_the_rest() -> None:
    """GitHub drops the eleventh without a word, so the tenth says how many there are."""
    result = result_of(orders())
    checks = tuple(CheckPart(check=f"check {n}", value="1", limit="0", ok=False, note=None) for n in range(25))
    finding = result.verdict.findings[0]
    verdict = result.verdict.model_copy(
        update={"checks": checks, "outcome": "fail", "exit_code": 1, "findings": (finding,) * 11}
    )
    found = shown(result.model_copy(update={"verdict": verdict}))

    errors = [text for kind, _, text in found if kind == "error"]
    assert errors[:9] == [f"check {n} came to 1" for n in range(9)]
    assert errors[9:] == ["and 16 more, in the summary and junit.xml"]
    warnings = [text for kind, _, text in found if kind == "warning"]
    assert len(warnings) == 10
    assert warnings[-1].startswith("and 2 more, ")


@given(st.text(), st.text())
def test_command_is_one_line_whatever_the_texts_are(title: str, message: str) -> None:
    """No text can end a command, begin another, or add a property to one."""
    line = command("error", title, message)
    match = COMMAND.fullmatch(line)

    assert match is not None, line
    assert match[3].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%") == message


def test_escapes_are_those_of_github() -> None:
    """A percent sign first, then ends of lines; in a property also colon and comma."""
    assert command("warning", "50%: a, b", "100%\r\nnext: c, d") == (
        "::warning title=50%25%3A a%2C b::100%25%0D%0Anext: c, d"
    )
