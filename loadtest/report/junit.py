"""
`junit.xml`: the verdict as test cases, for whatever shows JUnit reports.

One case says that the run took place as asked, one that the ledger is clean, and one for each threshold. Whatever the
verdict is, it is to be seen: a result with another exit code than 0 has at least one failure or error, and where the
run is no ground to pass, thresholds that hold are *skipped*. Names stay the same from run to run, so that histories
join: the class is `loadtest.<scenario>`, a threshold's name is its text. Pure: a result in, a text out.

Source: `junit-10.xsd` of Jenkins' xUnit plugin, the form of Maven's Surefire. Jenkins, GitLab (`testcase` alone: name,
classname, time, failure, error, skipped, system-out) and GitHub's report actions read it. Characters: XML 1.0, section
2.2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from xml.etree import ElementTree as ET

from loadtest.report.plain import plain_line
from loadtest.result.document import CheckPart, RunResult
from loadtest.result.units import messages_text

FILE_NAME: Final = "junit.xml"
RUN_CASE: Final = "run: complete, the broker was there, something was measured"
LEDGER_CASE: Final = "ledger: nothing lost or corrupted, the books balance"

_NO_GROUND: Final = frozenset({"error", "nothing-measured", "inconclusive"})
"""Outcomes of which a threshold that holds proves nothing."""

_UNTOLD: Final = frozenset({"nothing-measured", "inconclusive"})
"""Outcomes of which the ledger proves nothing."""

# Not in XML 1.0's Char, even as a reference. (`plain_line` has escaped the others.)
_NO_XML: Final = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class _Mark:
    """Why a case has not passed: *kind* is the element, *label* its type."""

    kind: Literal["failure", "error", "skipped"]
    label: str
    message: str
    text: str = ""


def junit_xml(result: RunResult) -> str:
    """Return the report; the same result gives the same text."""
    elapsed_s = _elapsed_s(result)
    cases = list(_cases(result))
    counts = Counter(mark.kind for _, mark in cases if mark is not None)
    numbers = {
        "tests": str(len(cases)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "time": f"{elapsed_s:.3f}",
    }
    root = ET.Element("testsuites", {"name": "loadtest", **numbers})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _line(f"loadtest {result.scenario.name}"),
            **numbers,
            "skipped": str(counts["skipped"]),
            # Without a zone, as Surefire and Ant write it; in UTC.
            "timestamp": datetime.fromisoformat(result.started_at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": _line(str(result.generator.get("host") or "unknown")),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(result):
        ET.SubElement(properties, "property", {"name": name, "value": _line(value)})
    for name, mark in cases:
        # A threshold takes no time of its own: the run's is in the run's case, so that sums come out right.
        case = _put_case(suite, result, name, mark, elapsed_s if name == RUN_CASE else 0)
        if name == RUN_CASE:
            ET.SubElement(case, "system-out").text = _block(_spoken(result))
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.decode() + "\n"


def _put_case(suite: ET.Element, result: RunResult, name: str, mark: _Mark | None, time_s: float) -> ET.Element:
    case = ET.SubElement(
        suite,
        "testcase",
        {"classname": f"loadtest.{_line(result.scenario.name)}", "name": name, "time": f"{time_s:.3f}"},
    )
    if mark is not None:
        element = ET.SubElement(case, mark.kind, {"type": mark.label, "message": _line(mark.message)})
        # GitLab shows the text and not the message; Jenkins shows both.
        element.text = _block(f"{mark.message}\n{mark.text}".rstrip("\n"))
    return case


def _cases(result: RunResult) -> Iterator[tuple[str, _Mark | None]]:
    yield RUN_CASE, _run_mark(result)
    yield LEDGER_CASE, _ledger_mark(result)
    seen: Counter[str] = Counter()
    for check in result.verdict.checks:
        name = _line(check.check)
        seen[name] += 1
        # GitLab takes the first of equal names only.
        yield name if seen[name] == 1 else f"{name} ({seen[name]})", _check_mark(check, result)


def _run_mark(result: RunResult) -> _Mark | None:
    verdict = result.verdict
    if verdict.outcome in _NO_GROUND:
        label = "broker" if verdict.outcome == "error" else verdict.outcome
        return _Mark("error", label, verdict.reason, f"exit code {verdict.exit_code}")
    if not result.complete:
        text = "\n".join(f"{event.code}: {event.text}" for event in result.events)
        return _Mark("error", "incomplete", f"the run did not do all that was asked: {verdict.reason}", text)
    explained = _ledger_mark(result) is not None or any(not check.ok for check in verdict.checks)
    if verdict.exit_code and not explained:
        return _Mark("failure", verdict.outcome, verdict.reason, f"exit code {verdict.exit_code}")
    return None


def _ledger_mark(result: RunResult) -> _Mark | None:
    totals, ledger = result.totals, result.ledger
    if result.verdict.outcome in _UNTOLD:
        return _Mark("skipped", result.verdict.outcome, f"cannot be told: {result.verdict.reason}")
    faults = []
    if totals.lost:
        faults.append(f"{messages_text(totals.lost)} lost")
    if totals.corrupted:
        faults.append(f"{messages_text(totals.corrupted)} corrupted")
    faults.extend(ledger.imbalances)
    if not faults:
        return None
    examples = [
        f"lost: publisher {lost.publisher} seq {lost.seq}{'' if lost.sink is None else f' for {lost.sink}'}"
        for lost in ledger.lost_examples
    ]
    return _Mark("failure", "ledger", "; ".join(faults), "\n".join(examples))


def _check_mark(check: CheckPart, result: RunResult) -> _Mark | None:
    value = check.value if check.value is not None else "no value"
    text = f"value: {value}\nlimit: {check.limit}" + (f"\nnote: {check.note}" if check.note else "")
    if not check.ok:
        note = f"; {check.note}" if check.note else ""
        return _Mark("failure", "threshold", f"{value}, the limit is {check.limit}{note}", text)
    if result.verdict.outcome in _NO_GROUND:
        reason = result.verdict.reason
        return _Mark("skipped", result.verdict.outcome, f"holds, but that proves nothing: {reason}", text)
    return None


def _properties(result: RunResult) -> Iterator[tuple[str, str]]:
    """Yield what the figures belong to; what is not known is left out."""
    broker, endpoints = result.broker, result.broker.get("endpoints")
    product = " ".join(str(broker[key]) for key in ("product", "version") if broker.get(key))
    told = {
        "scenario": result.scenario.name,
        "scenario.hash": result.scenario.hash,
        "scenario.overrides": "; ".join(result.scenario.overrides),
        "broker": product,
        "broker.endpoints": " ".join(map(str, endpoints)) if isinstance(endpoints, list) else "",
        "generator.host": str(result.generator.get("host") or ""),
        "measured_s": f"{result.measured_s:.3f}",
        "outcome": result.verdict.outcome,
        "exit_code": str(result.verdict.exit_code),
        "reason": result.verdict.reason,
    }
    yield from ((name, value) for name, value in told.items() if value)


def _spoken(result: RunResult) -> str:
    """Return verdict and findings, as the run's output."""
    verdict = result.verdict
    lines = [f"{verdict.outcome} (exit code {verdict.exit_code}): {verdict.reason}"]
    if verdict.bound is not None:
        lines.append(f"limit: {verdict.bound.text}")
    return "\n".join([*lines, *(f"finding {finding.code}: {finding.text}" for finding in verdict.findings)])


def _elapsed_s(result: RunResult) -> float:
    elapsed = datetime.fromisoformat(result.ended_at) - datetime.fromisoformat(result.started_at)
    return max(0.0, elapsed.total_seconds())


def _line(text: str) -> str:
    return _NO_XML.sub("\ufffd", plain_line(text))


def _block(text: str) -> str:
    return "\n".join(map(_line, text.split("\n")))
