from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.report.run.junit import LEDGER_CASE, RUN_CASE, junit_xml
from loadtest.result.run.build import build_result
from loadtest.result.run.document import CheckPart, RunResult
from tests.unit.result.staged_run import START_NS, StagedRun, broker_lost, cut_off, flood, never_begun, nothing, orders

# `junit-10.xsd` of Jenkins' xUnit plugin, as far as we use it: required and allowed attributes, children.
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "hostname"},
        {"properties", "testcase"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"time", "classname"}, {"skipped", "error", "failure", "system-out"}),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}
# The same schema's SUREFIRE_TIME, with a digit at least.
TIME = re.compile(r"[0-9]+\.[0-9]{3}")
HOLDS = ["lost == 0"]


def interrupted() -> StagedRun:
    """Return a run that somebody ended."""
    run = orders(thresholds=HOLDS)
    run.records[-1] |= {"complete": False, "reason": "interrupted"}
    return run


def lost_with_its_broker() -> StagedRun:
    """Return a run that lost messages and then its broker."""
    run = flood(lose=2, thresholds=HOLDS)
    run.records.insert(-1, {"type": "event", "at_ns": START_NS, "code": "connection-lost", "text": "320 gone"})
    run.records[-1] |= {"complete": False, "reason": "320 gone"}
    return run


EVERY: dict[str, Callable[[], StagedRun]] = {
    "passed": lambda: flood(thresholds=HOLDS),
    "no thresholds": flood,
    "threshold failed": lambda: orders(thresholds=["shop.confirm.p99 < 1ms", *HOLDS]),
    "lost": lambda: flood(lose=7, thresholds=HOLDS),
    "lost with its broker": lost_with_its_broker,
    "nothing": nothing,
    "cut off": cut_off,
    "never begun": never_begun,
    "broker lost": broker_lost,
    "interrupted": interrupted,
}


def result_of(run: StagedRun) -> RunResult:
    """Return the result of a run."""
    return build_result(run.collector())


def parsed(result: RunResult) -> ET.Element:
    """Return the report, read by a parser."""
    return ET.fromstring(junit_xml(result).encode())  # noqa: S314 (the tool has just written it)


def states(root: ET.Element) -> dict[str, str]:
    """Return what became of each case, by its name: the element, or ``passed``."""
    return {
        case.attrib["name"]: next((child.tag for child in case if child.tag != "system-out"), "passed")
        for case in root.iter("testcase")
    }


def assert_valid(root: ET.Element) -> None:
    """Fail unless elements and attributes are those of the schema, and the counts are right."""
    for element in root.iter():
        required, allowed, children = SCHEMA[element.tag]

        assert required <= element.attrib.keys() <= required | allowed
        assert {child.tag for child in element} <= children
        assert element.tag not in {"testsuites", "testsuite", "testcase"} or TIME.fullmatch(element.attrib["time"])
    (suite,) = root
    found = list(states(root).values())
    for element in (root, suite):
        assert int(element.attrib["tests"]) == len(found) == len(list(root.iter("testcase")))
        assert int(element.attrib["failures"]) == found.count("failure")
        assert int(element.attrib["errors"]) == found.count("error")
    assert int(suite.attrib["skipped"]) == found.count("skipped")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])


@pytest.mark.parametrize("run", EVERY.values(), ids=EVERY.keys())
def test_report_is_valid_and_red_where_the_exit_code_is(run: Callable[[], StagedRun]) -> None:
    """Of every outcome: the schema is kept, and something is red if, and only if, the exit code is not 0."""
    result = result_of(run())
    root = parsed(result)

    assert_valid(root)
    assert bool({"failure", "error"} & set(states(root).values())) is (result.verdict.exit_code != 0)


@pytest.mark.parametrize(
    "run,expected",
    [
        ("passed", ["passed", "passed", "passed"]),
        ("no thresholds", ["passed", "passed"]),
        ("threshold failed", ["passed", "passed", "failure", "passed"]),
        ("lost", ["passed", "failure", "failure"]),
        ("lost with its broker", ["error", "failure", "failure"]),
        ("nothing", ["error", "skipped"]),
        ("cut off", ["error", "skipped"]),
        ("broker lost", ["error", "passed"]),
        ("interrupted", ["error", "skipped", "skipped"]),
    ],
)
def test_cases_are_run_ledger_and_thresholds(run: str, expected: list[str]) -> None:
    """Each says its own: what is not known is skipped, and a threshold that holds for want of a run is no success."""
    found = states(parsed(result_of(EVERY[run]())))

    assert list(found)[:2] == [RUN_CASE, LEDGER_CASE]
    assert list(found.values()) == expected


def test_outcome_that_no_case_explains_is_red_all_the_same() -> None:
    """A verdict that fails for a reason which is no case of its own fails the run's case."""
    result = result_of(flood())
    verdict = result.verdict.model_copy(update={"outcome": "fail", "exit_code": 1, "reason": "something new"})
    root = parsed(result.model_copy(update={"verdict": verdict}))

    assert states(root)[RUN_CASE] == "failure"


def test_failed_threshold_has_value_limit_and_note() -> None:
    """All of it is in the text, which GitLab shows, and in the message, which Jenkins shows."""
    (failure,) = parsed(result_of(orders(thresholds=["shop.confirm.p99.9 < 1ms"]))).iter("failure")

    assert failure.attrib["message"].startswith("3.00 ms, the limit is < 1.00 ms; p99.9 of 3,000 values ")
    assert failure.text is not None
    assert ["value: 3.00 ms", "limit: < 1.00 ms"] == failure.text.split("\n")[1:3]
    assert failure.text.split("\n")[3].startswith("note: p99.9 of 3,000 values ")


def test_lost_messages_are_named() -> None:
    """The ledger's failure counts them, and says which."""
    failures = list(parsed(result_of(flood(lose=2))).iter("failure"))

    assert [failure.attrib["message"] for failure in failures] == ["2 messages were lost"]
    assert str(failures[0].text).split("\n")[1:] == [
        "lost: publisher 0 seq 998 for Queue111112",
        "lost: publisher 0 seq 999 for Queue111112",
    ]


def test_names_are_stable_and_unique() -> None:
    """Two runs of a scenario have the same names, and a threshold written twice has two."""
    texts = ["lost == 0", "shop.confirm.p99 < 1s", "lost == 0"]
    names = [
        [(case.attrib["classname"], case.attrib["name"]) for case in parsed(result_of(run)).iter("testcase")]
        for run in (orders(thresholds=texts), orders(8, thresholds=texts))
    ]

    assert names[0] == names[1]
    assert names[0][2:] == [
        ("loadtest.orders", "lost == 0"),
        ("loadtest.orders", "shop.confirm.p99 < 1s"),
        ("loadtest.orders", "lost == 0 (2)"),
    ]


def test_properties_say_what_was_measured_where() -> None:
    """Scenario with its hash, overrides, broker and host; the findings are the run's output."""
    root = parsed(result_of(orders(overrides=["a=1", "b=2"])))
    told = {each.attrib["name"]: each.attrib["value"] for each in root.iter("property")}

    assert told["scenario"] == "orders"
    assert told["scenario.hash"] == "0" * 64
    assert told["scenario.overrides"] == "a=1; b=2"
    assert told["broker"] == "RabbitMQ 3.10.8"
    assert told["broker.endpoints"] == "amqp://guest@127.0.0.1:5672/"
    assert told["generator.host"] == root[0].attrib["hostname"] == "lab"
    (output,) = root.iter("system-out")
    assert "finding too-few-samples: too few values for p99.9 of shop.confirm" in str(output.text)


@settings(max_examples=150)
@given(st.text(st.characters(codec=None)) | st.text(st.sampled_from("\x00\x08\x0b\x1b\ufffe\uffff\ud800]]>&<\"'\r\n")))
def test_report_is_well_formed_whatever_the_texts_are(text: str) -> None:
    """Control characters, surrogates, markup and ends of CDATA in any text leave XML that a parser reads."""
    result = result_of(flood())
    check = CheckPart.model_construct(check=text, value=text, limit=text, ok=False, note=text)
    scenario = result.scenario.model_copy(update={"name": text, "overrides": (text,)})
    verdict = result.verdict.model_copy(update={"reason": text, "checks": (check, check), "outcome": "error"})
    root = parsed(
        result.model_copy(
            update={
                "scenario": scenario,
                "verdict": verdict,
                "broker": {"product": text, "version": text, "endpoints": [text]},
                "generator": {"host": text},
            }
        )
    )

    assert_valid(root)
    assert len(list(root.iter("testcase"))) == 4


def test_forbidden_characters_are_shown_as_escapes() -> None:
    """What XML has no way to hold can still be read; what it has none to show is replaced."""
    root = parsed(result_of(flood(name="a\x1b[1m\x00\uffff")))

    assert root[0].attrib["name"] == "loadtest a\\x1b[1m\\x00\ufffd"
