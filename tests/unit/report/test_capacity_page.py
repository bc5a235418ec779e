"""What a search for a capacity found as text, as a page and as files: what they say, and that nothing gets out."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from loadtest.errors import ResultsError
from loadtest.report.capacity.capacity_charts import capacity_data
from loadtest.report.capacity.capacity_junit import RUN_CASE, capacity_junit
from loadtest.report.capacity.capacity_page import capacity_html
from loadtest.report.capacity.capacity_report import CAPACITY, capacity_annotations
from loadtest.report.capacity.capacity_text import capacity_markdown, print_capacity
from loadtest.report.experiment_report import to_json
from loadtest.report.run.write import regenerate
from loadtest.result.capacity.capacity_result import CapacityResult, ProbePart, UncertaintyPart
from loadtest.result.units import rate_text
from tests.unit.report.staged_capacity import LIMIT_NS, SLO, capacity
from tests.unit.report.test_html_page import HOSTILE, carried
from tests.unit.report.test_junit import SCHEMA
from tests.unit.result.staged_run import orders

WHOLE = capacity()
GENERATOR = capacity(bound="generator")
CUT = capacity(complete=False)
NONE = capacity(holds=False)
MOST = capacity(most_per_s=4_000)
SO_FAR = f"So far 9,510 to {rate_text(CUT.missed_per_s)}"
ALL = [WHOLE, GENERATOR, CUT, NONE, MOST]
IDS = ["whole", "generator", "interrupted", "none", "most"]


def printed(result: CapacityResult) -> str:
    """Return what the terminal shows, as one line."""
    file = io.StringIO()
    print_capacity(result, file)
    return " ".join(file.getvalue().split())


def cases(result: CapacityResult) -> dict[str, list[str]]:
    """Return the elements of each case of the JUnit report, by the case's name."""
    root = ET.fromstring(capacity_junit(result))  # noqa: S314  # our own
    return {case.attrib["name"]: [part.tag for part in case] for case in root.iter("testcase")}


def doubtful(low: float | None, high: float | None, disturbed: int = 0) -> CapacityResult:
    """Return the whole search with another interval, and with so many tries beside which something else ran."""
    part = UncertaintyPart(low_per_s=low, high_per_s=high, held=2, tries=3, missed=1, missed_tries=1, contradictions=1)
    probes = [
        each.model_copy(update={"disturbed": ("other programs used 1.4 cores",)} if number < disturbed else {})
        for number, each in enumerate(sorted(WHOLE.probes, key=lambda probe: probe.is_quick))
    ]
    return WHOLE.model_copy(update={"uncertainty": part, "probes": tuple(probes), "precision": 0.2})


@pytest.mark.parametrize(
    "result, headline",
    [
        pytest.param(doubtful(1_000.0, 1_200.0), "9,510/s", id="precise"),
        pytest.param(
            doubtful(841.0, 1_410.0, 100),
            "841 to 1,410/s (asked precision 20 % missed: 67.7 %); machine disturbed",
            id="wide, and disturbed",
        ),
        pytest.param(doubtful(None, 1_410.0), "0 to 1,410/s (asked precision 20 % missed)", id="nothing sure below"),
        pytest.param(doubtful(1_000.0, 1_100.0, 1), "9,510/s; machine disturbed in 1 of", id="disturbed once"),
        pytest.param(doubtful(841.0, None), "at least 841/s (held at 9,510/s, too, but not each time)", id="open"),
    ],
)
def test_headlines_carry_their_doubt(result: CapacityResult, headline: str) -> None:
    """The same words head the terminal, the page, the Markdown, the JUnit report and GitHub's annotation."""
    page = capacity_html(result)
    (property_,) = re.findall(r'name="capacity" value="([^"]+)"', capacity_junit(result))
    (annotation,) = capacity_annotations(result)
    is_sure = headline == "9,510/s"

    assert headline in page[page.index('id="verdict"') : page.index('class="reason"')]
    assert headline in capacity_markdown(result).replace("\\", "").splitlines()[0]
    assert headline in property_
    assert headline in unquote(annotation)
    assert f"{headline} (exit code 0)" in printed(result) or "disturbed in" in headline
    assert headline in printed(result)
    assert ('class="verdict pass"' in page) is is_sure
    assert annotation.startswith("::notice") is is_sure


def test_what_disturbed_a_search_is_told() -> None:
    """With what it was, and what to do."""
    assert "Disturbed other programs used 1.4 cores: search on a quiet machine" in printed(doubtful(841, 1_410, 1))


def test_staged_search_finds_what_the_formula_says() -> None:
    """Of an M/M/1 queue of 10,000 a second the p99 is 20 ms at 9,770."""
    assert WHOLE.capacity_per_s is not None
    assert WHOLE.capacity_per_s < 9_770 < (WHOLE.missed_per_s or 0) < WHOLE.capacity_per_s * 1.05


@pytest.mark.parametrize(
    "result, head, word",
    [
        (WHOLE, "pass", "9,510/s"),
        (GENERATOR, "neutral", "at least 9,510/s"),
        (CUT, "open", SO_FAR),
        (NONE, "fail", "No rate is held"),
        (MOST, "neutral", "at least 4,000/s"),
    ],
    ids=IDS,
)
def test_verdict_stands_first(result: CapacityResult, head: str, word: str) -> None:
    """The rate and the reason come before all else; green is only where the limit is the broker's own."""
    page = capacity_html(result)
    body = page[page.index("<body>") :]

    assert f'<header class="verdict {head}">' in body
    assert f"<strong>{word}</strong>" in body
    assert body.index('id="verdict"') < body.index("<h1>") < body.index('id="latencies"') < body.index('id="tries"')
    assert ("loadtest capacity --resume" in body) is not result.complete
    assert page == capacity_html(result)


@pytest.mark.parametrize(
    "result, words",
    [
        (WHOLE, "Capacity between 9,510/s and 9,950/s, 4.63% apart; 9,510/s was held 2 of 2 times, 9,950/s missed 2"),
        (WHOLE, "Limit the SLO: in.confirm.p99 < 20ms came to"),
        (WHOLE, "it may be a queue's one process"),
        (WHOLE, "Knee p99 of in.confirm begins to rise at 4,000/s (768 µs)"),
        (GENERATOR, "Capacity 9,510/s or more"),
        (GENERATOR, "Limit the generator: the broker may do more"),
        (GENERATOR, "at least 9,510/s (exit code 0)"),
        (MOST, "Limit --most: the broker may do more: nothing above it was tried"),
        (NONE, "NONE (exit code 1): no rate was held"),
        (CUT, "(exit code 130): interrupted; so far"),
    ],
)
def test_terminal_and_markdown_say_how_surely_and_why(result: CapacityResult, words: str) -> None:
    """Interval and what it rests on, the limit, the knee, and the verdict last."""
    assert words in printed(result)
    label = words.partition(" ")[0]
    if label in {"Capacity", "Limit", "Knee"}:
        assert f"- {label}: {words.removeprefix(label).strip()[:20]}" in capacity_markdown(result)


def test_short_tries_are_told_apart() -> None:
    """In the terminal, in Markdown and on the page."""
    assert "1,000/s 3 s, short" in printed(WHOLE)
    assert "| 1,000/s | 3 s, short | 1,000/s | `in.confirm` |" in capacity_markdown(WHOLE)
    assert '<tr class="dim"><th scope="row">1,000/s</th>' in capacity_html(WHOLE)


def test_charts_have_what_was_tried() -> None:
    """A mark a try, a line a statistic, what is asked, the interval, the knee; what is asked of stands first."""
    data = capacity_data(WHOLE)
    first, second = data["charts"]

    assert data["interval"] == [WHOLE.capacity_per_s, WHOLE.missed_per_s]
    assert (first["title"], second["title"]) == ("in: confirm", "out: end to end")
    assert len(first["points"]) == len(WHOLE.probes)
    assert first["slos"] == [{"text": SLO[0], "value": LIMIT_NS}]
    assert second["slos"] == []
    assert first["knee"][0] == 4_000
    rates = [rate for rate, _ in first["lines"]["p99"]]
    assert len(rates) == len({probe.rate_per_s for probe in WHOLE.probes})
    assert [point["is_held"] for point in first["points"]] == [
        probe.is_held for probe in sorted(WHOLE.probes, key=lambda probe: probe.rate_per_s)
    ]
    assert capacity_data(GENERATOR)["interval"][1] is None


def test_a_line_goes_through_the_median_of_full_tries() -> None:
    """Short tries count only where there is no full one."""
    probes = WHOLE.probes
    slow = {"in.confirm": {"p50_ns": 9_000_000, "p99_ns": 90_000_000, "max_ns": 900_000_000}}
    short = probes[-1].model_copy(update={"is_quick": True, "latency": slow})
    line = capacity_data(WHOLE.model_copy(update={"probes": (*probes, short)}))["charts"][0]["lines"]

    assert line == capacity_data(WHOLE)["charts"][0]["lines"]


def test_what_comes_from_outside_is_text() -> None:
    """Names of scenarios and groups, reasons and brokers end up escaped, or packed."""
    result = capacity(text=HOSTILE)
    page = capacity_html(result, {result.probes[0].folder: "probes/x%22%3E/report.html"})

    assert "<img" not in page
    assert page.count("</script>") == 3
    assert "{{ 7*7 }}" in page
    assert HOSTILE in carried(page)["charts"][1]["title"] + carried(page)["charts"][0]["title"]
    assert 'href="probes/x%22%3E/report.html"' in page
    assert "<img" not in capacity_markdown(result)


def test_page_has_what_a_screen_reader_needs() -> None:
    """Every table has a caption and heads with a scope; every link leads to something in the page."""
    page = capacity_html(WHOLE)
    page = page[: page.index("<script")]

    assert page.count("<table") == page.count("<caption") == 3
    assert re.findall(r"<th(?! scope=)[ >]", page) == []
    assert {target for target in re.findall(r'href="#([a-z-]+)"', page) if f'id="{target}"' not in page} == set()


def test_a_search_before_its_first_try_has_a_page() -> None:
    """As one whose latencies are none, and a document of before there were intervals and limits."""
    nothing = CUT.model_copy(
        update={"probes": (), "capacity_per_s": None, "uncertainty": None, "limit": None, "knees": ()}
    )
    old = {"stage", "is_quick", "hold_s", "took_s", "cores", "flow"}
    probes = [ProbePart.model_validate(probe.model_dump(exclude=old)) for probe in WHOLE.probes]
    before = CapacityResult.model_validate(
        {
            **WHOLE.model_dump(exclude={"broker", "uncertainty", "limit", "knees", "probes"}, by_alias=True),
            "probes": tuple(probes),
        }
    )

    assert "Nothing was tried" in capacity_html(nothing)
    assert "There are no latencies" in capacity_html(nothing)
    assert cases(nothing)[RUN_CASE] == ["error", "system-out"]
    assert capacity_markdown(nothing)
    assert "9,510/s" in capacity_html(before)
    assert printed(before)


@pytest.mark.parametrize(
    "result, run, checks",
    [
        (WHOLE, [], []),
        (GENERATOR, [], []),
        (CUT, ["error"], []),
        (NONE, ["failure"], ["failure"]),
        (MOST, [], []),
        (WHOLE.model_copy(update={"exit_code": 5, "complete": False}), ["error"], []),
    ],
    ids=[*IDS, "not settled"],
)
def test_junit_shows_what_the_exit_code_says(result: CapacityResult, run: list[str], checks: list[str]) -> None:
    """A case for the search and one for each thing that was asked, which fails where no rate held it."""
    found = cases(result)
    root = ET.fromstring(capacity_junit(result))  # noqa: S314  # our own

    assert list(found) == [RUN_CASE, *SLO]
    assert found[RUN_CASE] == [*run, "system-out"]
    assert [tag for tag in found[SLO[0]] if tag != "system-out"] == checks
    for element in root.iter():
        required, allowed, children = SCHEMA[element.tag]
        assert required <= element.attrib.keys() <= required | allowed
        assert {child.tag for child in element} <= children


def test_files_are_made_of_the_document(tmp_path: Path) -> None:
    """A try's page is linked; a try that left nothing, or lies outside, is not."""
    (tmp_path / "capacity.json").write_text(to_json(WHOLE), encoding="utf-8")
    run = tmp_path / WHOLE.probes[1].folder / "2026 #1"
    run.mkdir(parents=True)
    orders().journal(run)
    regenerate(run)
    text = CAPACITY.write(tmp_path, CAPACITY.read(tmp_path)).read_text(encoding="utf-8")
    outside = WHOLE.probes[1].model_copy(update={"folder": f"../{tmp_path.name}/{WHOLE.probes[1].folder}"})
    changed = WHOLE.model_copy(update={"probes": (outside,)})

    assert CAPACITY.is_in(tmp_path)
    assert not CAPACITY.is_in(run)
    assert {path.name for path in tmp_path.iterdir()} >= {"capacity.html", "junit.xml", "summary.md"}
    assert f'href="{WHOLE.probes[1].folder}/2026%20%231/report.html"' in text
    assert text.count('href="probes/') == 1
    assert "report of try" not in CAPACITY.write(tmp_path, changed).read_text(encoding="utf-8")


def test_a_report_of_a_search_says_it_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of the search; with --json - standard output is the document alone."""
    (tmp_path / "capacity.json").write_text(to_json(WHOLE), encoding="utf-8")

    assert CAPACITY.publish(tmp_path, CAPACITY.read(tmp_path), {}, None) == 0
    said = capsys.readouterr().out
    assert said.startswith("steady-1kb, capacity\n")
    assert said.rstrip().endswith("capacity.html")
    assert CAPACITY.publish(tmp_path, CAPACITY.read(tmp_path), {}, Path("-")) == 0
    both = capsys.readouterr()
    assert json.loads(both.out) == json.loads(to_json(WHOLE))
    assert "9,510/s (exit code 0)" in both.err
    assert "capacity.html" in both.err


@pytest.mark.parametrize(
    "text, words", [("{}", "not a capacity of this version"), ("\xff", "not a capacity"), (None, "cannot be read")]
)
def test_document_of_another_kind_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    """With its path and what is wrong."""
    if text is not None:
        (tmp_path / "capacity.json").write_text(text)
    with pytest.raises(ResultsError, match=words):
        CAPACITY.read(tmp_path)


def test_faults_of_the_disk_are_told(tmp_path: Path) -> None:
    """All that could be written is there then."""
    (tmp_path / "junit.xml").mkdir()
    with pytest.raises(ResultsError, match=r"junit\.xml"):
        CAPACITY.write(tmp_path, WHOLE)

    assert (tmp_path / "capacity.html").is_file()
    assert (tmp_path / "summary.md").is_file()


def test_github_has_an_annotation_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A notice of what was found, or an error; a summary that cannot be written is said and changes nothing."""
    summary = tmp_path / "summary"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}

    assert CAPACITY.publish_summary(WHOLE, environ, None) == 0
    assert "::notice title=steady-1kb%3A capacity 9%2C510/s::9,510/s is held" in capsys.readouterr().out
    assert summary.read_text().startswith("# steady-1kb, capacity: 9,510/s")
    assert capacity_annotations(NONE)[0].startswith("::error title=steady-1kb%3A capacity (exit code 1)::no rate")
    assert CAPACITY.publish_summary(WHOLE, {**environ, "GITHUB_STEP_SUMMARY": str(tmp_path)}, tmp_path) == 4
    assert capsys.readouterr().err.count("cannot be written") == 2
