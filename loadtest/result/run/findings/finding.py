"""
A finding: its code, of a closed set, its observation and its next step. Knows no run.

docs/results.md lists the codes.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from loadtest.result.run.document import FindingPart

Code: TypeAlias = Literal[
    "disturbed",
    "generator-stalled",
    "generator-bound",
    "worker-lost",
    "connection-lost",
    "outage",
    "broker-blocked-publishers",
    "messages-nacked",
    "messages-returned",
    "messages-discarded",
    "broker-bound",
    "consumers-bound",
    "backlog-growing",
    "lateness-high",
    "offered-not-achieved",
    "unstable-over-time",
    "too-few-samples",
    "beyond-histogram",
    "clock-offset",
    "negative-latency",
    "messages-remaining",
    "windows-missing",
    "in-doubt",
    "nothing-done",
    "books-unbalanced",
    "undelivered",
    "unexpected-deliveries",
    "foreign-messages",
    "broker-unsampled",
]
CODES: Final[tuple[Code, ...]] = get_args(Code)


def finding(
    code: Code,
    observation: str,
    next_step: str,
    *,
    value: float,
    limit: float,
    unit: str = "messages",
    group: str | None = None,
) -> FindingPart:
    """Return the finding; *observation* and *next_step* are sentences without their full stops."""
    return FindingPart(
        code=code,
        group=group,
        text=f"{observation}. {next_step}.",
        value=value,
        limit=limit,
        unit=unit,
        next_step=next_step,
    )
