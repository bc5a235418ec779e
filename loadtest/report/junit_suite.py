"""
A JUnit report as text: a suite, its properties and its cases, for whatever shows JUnit reports.

Source: `junit-10.xsd` of Jenkins' xUnit plugin, the form of Maven's Surefire. Jenkins, GitLab (`testcase` alone: name,
classname, time, failure, error, skipped, system-out) and GitHub's report actions read it. Characters: XML 1.0, section
2.2. Knows nothing of runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from xml.etree import ElementTree as ET

from loadtest.report.text.plain import plain_line

FILE_NAME: Final = "junit.xml"

# Not in XML 1.0's Char, even as a reference. (`plain_line` has escaped the others.)
_NO_XML: Final = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Mark:
    """Why a case has not passed: *kind* is the element, *label* its type."""

    kind: Literal["failure", "error", "skipped"]
    label: str
    message: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """
    One case.

    Attributes:
        name: The same from run to run, so that histories join; of equal names all but the first get a number.
        mark: None if it passed.
        time_s: 0 for all but one, so that sums come out right.
        spoken: Its output; none if empty.
    """

    name: str
    mark: Mark | None = None
    time_s: float = 0
    spoken: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """
    The report.

    Attributes:
        classname: Of its cases, behind ``loadtest.``.
        started_at, ended_at: ISO 8601 with a zone.
        properties: Names and values; where a value is empty it is left out.
    """

    name: str
    classname: str
    started_at: str
    ended_at: str
    host: str
    properties: Sequence[tuple[str, str]]
    cases: Sequence[Case]

    @property
    def elapsed_s(self) -> float:
        """How long it took, in s."""
        return elapsed_s(self.started_at, self.ended_at)


def elapsed_s(started_at: str, ended_at: str) -> float:
    """Return the seconds between two instants in ISO 8601; 0 where the clock went back."""
    elapsed = datetime.fromisoformat(ended_at) - datetime.fromisoformat(started_at)
    return max(0.0, elapsed.total_seconds())


def suite_xml(suite: Suite) -> str:
    """Return the report; the same suite gives the same text."""
    counts = Counter(case.mark.kind for case in suite.cases if case.mark is not None)
    numbers = {
        "tests": str(len(suite.cases)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "time": f"{suite.elapsed_s:.3f}",
    }
    root = ET.Element("testsuites", {"name": "loadtest", **numbers})
    element = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _line(suite.name),
            **numbers,
            "skipped": str(counts["skipped"]),
            # Without a zone, as Surefire and Ant write it; in UTC.
            "timestamp": datetime.fromisoformat(suite.started_at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": _line(suite.host or "unknown"),
        },
    )
    properties = ET.SubElement(element, "properties")
    for name, value in suite.properties:
        if value:
            ET.SubElement(properties, "property", {"name": _line(name), "value": _line(value)})
    seen: Counter[str] = Counter()
    for case in suite.cases:
        name = _line(case.name)
        seen[name] += 1
        # GitLab takes the first of equal names only.
        _put_case(element, suite.classname, name if seen[name] == 1 else f"{name} ({seen[name]})", case)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.decode() + "\n"


def _put_case(suite: ET.Element, classname: str, name: str, case: Case) -> None:
    attributes = {"classname": f"loadtest.{_line(classname)}", "name": name, "time": f"{case.time_s:.3f}"}
    element = ET.SubElement(suite, "testcase", attributes)
    mark = case.mark
    if mark is not None:
        found = ET.SubElement(element, mark.kind, {"type": mark.label, "message": _line(mark.message)})
        # GitLab shows the text and not the message; Jenkins shows both.
        found.text = _block(f"{mark.message}\n{mark.text}".rstrip("\n"))
    if case.spoken:
        ET.SubElement(element, "system-out").text = _block(case.spoken)


def _line(text: str) -> str:
    return _NO_XML.sub("\ufffd", plain_line(text))


def _block(text: str) -> str:
    return "\n".join(map(_line, text.split("\n")))
