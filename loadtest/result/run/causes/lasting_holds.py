"""
What kept the broker from answering publishers, and had not ended when they gave up: blocked connections, some faults.

A connection that the broker blocks stays up, and so does one to a node that is paused or cut off: what was published is
only found to be in doubt when the run ends. Nothing that has ended explains that. Knows events; not what became of
messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from loadtest.result.run.evidence import CONNECTION_BLOCKED, CONNECTION_UNBLOCKED, FAULT
from loadtest.scenario.grammar.faults import UNDONE_BY

HOLDING: Final = ("memory-alarm", "disk-alarm", "pause-node", "cut-network")
"""Faults that leave connections open, but publishers without answers, until they are undone."""

_BEGINS: Final = {UNDONE_BY[fault]: fault for fault in HOLDING}


def hold_of(code: str, text: str) -> str | None:
    """Return what an event holds back or releases: a connection such as `in/1`, or a fault; None of other events."""
    if code in {CONNECTION_BLOCKED, CONNECTION_UNBLOCKED}:
        return text.partition(":")[0]
    if code == FAULT:
        done = text.partition(" ")[0]
        fault = _BEGINS.get(done, done)
        is_reset = done == "cut-network" and ": reset" in text  # connections are lost, and that is told
        return fault if fault in HOLDING and not is_reset else None
    return None


def lasting_holds(events: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return what began to hold back, and was not released again, in *events*: their codes and texts in order."""
    lasting: set[str] = set()
    for code, text in events:
        hold = hold_of(code, text)
        if hold is not None:
            is_release = code == CONNECTION_UNBLOCKED or text.partition(" ")[0] in _BEGINS
            (lasting.discard if is_release else lasting.add)(hold)
    return frozenset(lasting)


def holds_group(group: str, lasting: Iterable[str]) -> bool:
    """Return whether something in *lasting* holds publishers of a group back: a fault, or the block of one of them."""
    return any(hold in HOLDING or hold.rpartition("/")[0] == group for hold in lasting)
