"""The page of a comparison as text: what it says and carries, and that nothing gets out of its place."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from loadtest.errors import ResultsError
from loadtest.report.compare.comparison_charts import NO_CHANGE, comparison_data, merged_latencies
from loadtest.report.compare.comparison_junit import RUN_CASE, comparison_junit
from loadtest.report.compare.comparison_page import comparison_html, p_text
from loadtest.report.compare.comparison_report import COMPARISON, comparison_annotations
from loadtest.report.compare.comparison_text import comparison_markdown, remarks
from loadtest.report.run.write import regenerate
from loadtest.result.compare.compare_result import CompareResult, findings_of, judge, signed
from loadtest.result.run.build import build_result
from tests.unit.report.staged_comparison import METRICS, ROUNDS, comparison, finding_of
from tests.unit.report.test_html_page import HOSTILE, carried
from tests.unit.report.test_junit import SCHEMA
from tests.unit.result.staged_run import flood, orders

WHOLE = comparison()


def page_of(result: CompareResult) -> str:
    """Return the page of a comparison whose laps left nothing."""
    return comparison_html(result, {})


def cases(result: CompareResult) -> dict[str, list[str]]:
    """Return the elements of each case of a comparison's JUnit report, by the case's name."""
    root = ET.fromstring(comparison_junit(result))  # noqa: S314  # our own
    return {case.attrib["name"]: [part.tag for part in case] for case in root.iter("testcase")}


@pytest.mark.parametrize(
    "result, head, word",
    [
        (WHOLE, "open", "Inconclusive"),
        (comparison(fails_on_worse=True), "fail", "Failed"),
        (comparison(complete=False), "open", "Interrupted"),
        (WHOLE.model_copy(update={"exit_code": 0}), "neutral", "Decided"),
        (WHOLE.model_copy(update={"exit_code": 0, "findings": ()}), "pass", "Decided"),
    ],
    ids=["open", "failed", "interrupted", "decided, some worse", "decided"],
)
def test_verdict_stands_first(result: CompareResult, head: str, word: str) -> None:
    """The word and the reason come before all else; green is only where nothing is worse."""
    page = page_of(result)
    body = page[page.index("<body>") :]

    assert f'<header class="verdict {head}">' in body
    assert f"<strong>{word}</strong>" in body
    assert body.index('id="verdict"') < body.index("<h1>") < body.index('id="differences"') < body.index('id="runs"')
    assert ("loadtest compare --resume" in body) is not result.complete
    assert page == page_of(result)


def test_table_says_what_came_of_each_metric() -> None:
    """Medians, change, interval, p, verdict and the rounds that would decide stand in the row of a metric."""
    page = page_of(WHOLE)
    faster = finding_of(WHOLE, "in.confirmed_rate", "quorum")
    row = re.search(r'<tr><th scope="row">in\.confirmed_rate</th>(.*?)</tr>', page)
    unsure = re.search(r'<tr><th scope="row">in\.confirm\.p99</th>(.*?)</tr>', page)

    assert row is not None
    assert unsure is not None
    assert "+19.5%" in row.group(1)
    assert "+18.1% to +20.9%" in row.group(1)
    assert f"<td>{p_text(faster.p_adjusted)}</td>" in row.group(1)
    assert '<td class="left said better">✓ better</td><td></td>' in row.group(1)
    needed = finding_of(WHOLE, "in.confirm.p99", "quorum").rounds_to_decide
    assert f'<td class="left said inconclusive">? inconclusive</td><td>{needed}</td>' in unsure.group(1)


@pytest.mark.parametrize(
    "share, text",
    [(0.1234, "+12.3%"), (-0.004, "−0.4%"), (1.12, "+112%"), (-0.0001, "−0.01%"), (8.9e-7, "0%"), (0.0, "0%")],
)
def test_changes_have_a_sign(share: float, text: str) -> None:
    """Unless there is none, or so little that two runs of the same would differ by more."""
    assert signed(share) == text


def test_forest_has_a_row_a_metric() -> None:
    """Each variant but the baseline has a chart; a metric of which nothing can be said has no interval."""
    data = comparison_data(WHOLE, {})

    assert [set_["variant"] for set_ in data["forest"]] == ["quorum", "stream"]
    assert [row["metric"] for row in data["forest"][0]["rows"]] == [metric.name for metric in METRICS]
    low, change, high = data["forest"][0]["rows"][0]["interval"]
    assert low < change < high
    assert data["forest"][0]["rows"][-1]["interval"] is None
    assert data["forest"][0]["rows"][-1]["text"] == NO_CHANGE
    assert data["min_effect"] == 0.05


def test_values_by_round_leave_out_warm_up_and_failed_laps() -> None:
    """A chart has a value for each turn of each round; what failed is a gap, what has a remark says so."""
    data = comparison_data(WHOLE, {})
    rate = data["by_round"][0]
    quorum = rate["series"][1]
    failed = next(lap for lap in WHOLE.laps if "failed" in lap.marks)

    assert data["turns"][:3] == ["1 there", "1 back", "2 there"]
    assert len(data["turns"]) == 2 * ROUNDS
    assert (rate["title"], rate["unit"]) == ("in.confirmed_rate", "rate")
    assert (failed.variant, failed.round, failed.turn) == ("quorum", 1, 0)
    assert quorum["values"][0] is None
    assert None not in quorum["values"][1:]
    assert quorum["marks"][1] == "generator-bound, disturbed"
    assert [each["variant"] for each in data["by_round"][-1]["series"]] == [1, 2], "the baseline has no value of it"


def test_latencies_of_all_laps_are_added_up() -> None:
    """Curves are of the histograms of all laps of a variant, group by group."""
    run = build_result(flood().collector())
    merged = merged_latencies(WHOLE, {"quorum": [run, run], "classic": [run], "stranger": [run]})
    data = comparison_data(WHOLE, merged)

    assert {key: {name: each.count for name, each in by.items()} for key, by in merged.items()} == {
        ("flood", "confirm"): {"classic": 1_000, "quorum": 2_000},
        ("taker", "end_to_end"): {"classic": 1_000, "quorum": 2_000},
        ("taker", "get"): {"classic": 1_001, "quorum": 2_002},  # the last found nothing
    }
    assert [curve["title"] for curve in data["curves"]] == ["flood: confirm", "taker: end to end", "taker: get"]
    assert [each["variant"] for each in data["curves"][0]["series"]] == [0, 1]
    page = comparison_html(WHOLE, {"quorum": [run, run]})
    assert '<th scope="row">flood: confirm</th><td class="left">quorum</td><td>2,000</td>' in page


def test_what_comes_from_outside_is_text() -> None:
    """Names of variants and metrics, overrides, brokers and settings end up escaped, or packed."""
    result = comparison([HOSTILE, f"2{HOSTILE}", "3"], scenario=HOSTILE, text=HOSTILE, complete=False)
    metric = METRICS[0].model_copy(update={"name": HOSTILE})
    result = result.model_copy(update={"metrics": (*result.metrics, metric), "reason": HOSTILE})
    lap = result.laps[1]
    page = comparison_html(result, {}, {lap.folder: "laps/x%22%3E/report.html"})

    assert "<img" not in page
    assert page.count("</script>") == 3
    assert carried(page)["variants"][0] == HOSTILE
    assert "{{ 7*7 }}" in page
    assert 'href="laps/x%22%3E/report.html"' in page


def test_page_has_what_a_screen_reader_needs() -> None:
    """Every table has a caption and heads with a scope; every link leads to something in the page."""
    page = page_of(WHOLE)
    page = page[: page.index("<script")]

    assert page.count("<table") == page.count("<caption") > 4
    assert re.findall(r"<th(?! scope=)[ >]", page) == []
    assert {target for target in re.findall(r'href="#([a-z-]+)"', page) if f'id="{target}"' not in page} == set()


def test_comparison_before_its_first_lap_has_a_page() -> None:
    """One that was interrupted at once has its files, too."""
    nothing = WHOLE.model_copy(update={"laps": (), "findings": (), "metrics": (), "rounds": 0, "complete": False})

    assert "Nothing to compare yet" in page_of(nothing)
    assert "Interrupted" in page_of(nothing)
    assert cases(nothing) == {RUN_CASE: ["error", "system-out"]}
    assert comparison_markdown(nothing)


@pytest.mark.parametrize("value, text", [(None, "–"), (0.5, "0.5"), (0.03125, "0.031"), (0.00001, "< 0.0001")])
def test_p_values_are_short(value: float | None, text: str) -> None:
    """Two digits, and never 0."""
    assert p_text(value) == text


def test_junit_fails_where_it_was_told_to() -> None:
    """A figure that is worse is a failure with --fail-on and else passes; what is undecided is skipped."""
    told, untold = cases(comparison(fails_on_worse=True, fail=False)), cases(comparison(fail=False))
    worse, unsure = "in.confirmed_rate: stream beside classic", "in.confirm.p99: quorum beside classic"

    assert (told[worse], untold[worse]) == (["failure", "system-out"], ["system-out"])
    assert told[unsure] == untold[unsure] == ["skipped", "system-out"]
    assert told["in.confirmed_rate: quorum beside classic"] == ["system-out"]
    assert (told[RUN_CASE], untold[RUN_CASE]) == (["system-out"], ["error", "system-out"])


@pytest.mark.parametrize(
    "result",
    [WHOLE, comparison(complete=False), comparison([HOSTILE, f"2{HOSTILE}\ufffe\x00", "3"], scenario=HOSTILE)],
    ids=["whole", "interrupted", "hostile"],
)
def test_junit_is_of_its_schema(result: CompareResult) -> None:
    """Elements and attributes are those that Jenkins, GitLab and GitHub's actions read; the counts are right."""
    root = ET.fromstring(comparison_junit(result))  # noqa: S314  # our own
    for element in root.iter():
        required, allowed, children = SCHEMA[element.tag]
        assert required <= element.attrib.keys() <= required | allowed
        assert {child.tag for child in element} <= children
    names = [case.attrib["name"] for case in root.iter("testcase")]

    assert len(names) == len(set(names)) == 1 + len(result.findings)
    for kind, tag in (("failures", "failure"), ("errors", "error")):
        assert root.attrib[kind] == str(sum(1 for _ in root.iter(tag)))
    assert any(True for tag in ("failure", "error") for _ in root.iter(tag)), "the exit code is not 0"


def test_files_are_made_of_the_document_and_the_laps(tmp_path: Path) -> None:
    """A lap's page is linked and its latencies are in the curves; a lap that left nothing, or lies outside, is not."""
    (tmp_path / "compare.json").write_text(WHOLE.model_dump_json(by_alias=True), encoding="utf-8")
    lap = next(lap for lap in WHOLE.laps if lap.round == 2)
    run = tmp_path / lap.folder / "2026 #1"
    run.mkdir(parents=True)
    orders().journal(run)
    regenerate(run)
    page = COMPARISON.write(tmp_path, COMPARISON.read(tmp_path))
    text = page.read_text(encoding="utf-8")

    assert COMPARISON.is_in(tmp_path)
    assert not COMPARISON.is_in(run)
    assert {path.name for path in tmp_path.iterdir()} >= {"compare.html", "junit.xml", "summary.md"}
    assert f'href="{lap.folder}/2026%20%231/report.html"' in text
    assert text.count('href="laps/') == 1
    assert [curve["title"] for curve in carried(text)["curves"]] == ["shop: confirm", "billing: end to end"]
    outside = WHOLE.model_copy(
        update={"laps": (lap.model_copy(update={"folder": f"../{tmp_path.name}/{lap.folder}"}),)}
    )
    assert 'aria-label="report of' not in COMPARISON.write(tmp_path, outside).read_text(encoding="utf-8")


def test_document_of_another_kind_is_refused(tmp_path: Path) -> None:
    """The message names the file and the field."""
    (tmp_path / "compare.json").write_text('{"schema": "loadtest.compare/9"}', encoding="utf-8")

    with pytest.raises(ResultsError, match=r"compare\.json: not a comparison of this version: schema"):
        COMPARISON.read(tmp_path)
    with pytest.raises(ResultsError, match="cannot be read"):
        COMPARISON.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "result, kinds",
    [
        (comparison(fail=False), ["error"]),
        (comparison(fails_on_worse=True), ["error", "error", "warning", "warning", "warning"]),
        (comparison(fails_on_worse=True, fail=False, complete=False), ["error", "error"]),
        (comparison(fail=False).model_copy(update={"exit_code": 0}), ["notice"]),
    ],
    ids=["open", "worse", "worse and interrupted", "decided"],
)
def test_annotations_say_what_came_of_it(result: CompareResult, kinds: list[str]) -> None:
    """An error for each figure that is worse, or for what is open; a warning for each remark; else a notice."""
    lines = comparison_annotations(result)

    assert [line.split()[0].strip(":") for line in lines] == kinds
    if result.exit_code == 1:
        assert lines[0].startswith("::error title=steady-1kb%3A worse::in.confirmed_rate of stream: −30.1%25 (")


def test_github_has_annotations_and_the_step_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table comes first, then the annotations; the step's summary has the Markdown; elsewhere there is neither."""
    summary = tmp_path / "step.md"
    COMPARISON.publish_summary(WHOLE, {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    on_github = capsys.readouterr().out
    COMPARISON.publish_summary(WHOLE, {"GITHUB_STEP_SUMMARY": str(summary)})

    assert on_github.startswith("steady-1kb, compared\n")
    assert "\n::error title=" in on_github
    assert "::" not in capsys.readouterr().out
    assert summary.read_text(encoding="utf-8") == f"{comparison_markdown(WHOLE)}\n"


def test_remarks_speak_of_one_run_and_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    """They stand below the tables; the warm-up is not counted."""
    marked = WHOLE.laps[7].model_copy(update={"round": 3, "turn": 0, "variant": "stream"})
    twice = WHOLE.model_copy(update={"laps": (*WHOLE.laps, marked)})
    COMPARISON.publish_summary(twice, {})
    told = " ".join(capsys.readouterr().out.split())

    assert "1 of 37 runs failed and counts for nothing" in told
    assert "2 of 37 runs were bound by the generator" in told
    assert "INCONCLUSIVE (exit code 5): " in told


def test_searches_are_linked_by_their_own_page(tmp_path: Path) -> None:
    """Where capacities were compared each run leads to its search, and what had to hold is said."""
    lap = WHOLE.laps[-1]
    folder = tmp_path / lap.folder / "2026-capacity"
    folder.mkdir(parents=True)
    (folder / "capacity.html").write_text("")
    result = WHOLE.model_copy(update={"slo": ("in.confirm.p99 < 20ms", "lost == 0")})
    text = COMPARISON.write(tmp_path, result).read_text(encoding="utf-8")

    assert f'href="{lap.folder}/2026-capacity/capacity.html"' in text
    assert "capacity within in.confirm.p99 &lt; 20ms, lost == 0" in text
    assert "capacity within in.confirm.p99" in comparison_markdown(result)


def test_turns_that_were_run_again() -> None:
    """They are told, and struck out in the table of runs; failures among them are nobody's concern any more."""
    laps = [lap.model_copy(update={"marks": (), "exit_code": 0}) for lap in WHOLE.laps]
    first = [lap.model_copy(update={"repeated": True, "counts": False}) for lap in laps[3:6]]
    first[0] = first[0].model_copy(update={"marks": ("disturbed",), "why": ("other programs used 0.9 cores",)})
    first[1] = first[1].model_copy(update={"marks": ("failed",), "exit_code": 3, "why": ("the broker <is> gone",)})
    again = [lap.model_copy(update={"attempt": 2}) for lap in laps[3:6]]
    result = WHOLE.model_copy(update={"laps": (*laps[:3], *first, *again, *laps[6:])})
    html = comparison_html(result, {}, {})

    assert list(remarks(result)) == [
        "1 block was run again for the marks of a run: the 3 runs of before count for nothing"
    ]
    assert judge(result.findings, result.laps, fails_on_worse=False)[1].count("failed") == 0
    assert html.count('<tr class="uncounted">') == 3
    assert "disturbed, other programs used 0.9 cores, run again" in html
    assert "failed, the broker &lt;is&gt; gone, run again, exit code 3" in html
    assert html.count("1 there, again (1)</th>") == 3
    assert findings_of(result.laps, result.metrics, ["classic", "quorum"], "classic", min_effect=0.05) == findings_of(
        laps, result.metrics, ["classic", "quorum"], "classic", min_effect=0.05
    )
