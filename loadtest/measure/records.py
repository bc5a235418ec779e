"""
The records of a run: one JSON object a line in `windows.jsonl`, and the messages between workers and the collector.

Every record has a `type`. In the order in which they usually come:

`run` (first, once)
    `format` "loadtest.windows/1" · `start_ns` instant (CLOCK_MONOTONIC) that the timeline counts from · `started_at`
    UTC, ISO 8601 ·
    `scenario` any mapping (name, hash, text, overrides …) · `groups` {name: {`kind`: publisher|consumer|getter,
    `model`: open|closed,
    `users`: int, …}} · `publishers` [{`id`, `group`, `confirms`: bool, `routes`: [[sink, …], …] or null}] · `sinks`
    [consumed sinks].
    `routes[seq % len(routes)]` are the sinks that message *seq* must reach; null where that cannot be known. `stamp` of
    a publisher is "none" where its messages carry none ·
    `untaken` [queue, …]: those sinks from which nobody of the run takes · `streams` {sink: {`queue`, `first`,
    `filtered`}}: views of a stream, and whether they begin at its first message · `before` {queue: n}: messages that
    stood there before the run, of a stream all that it ever had · `others` {queue: sentence}: who else takes there.
    `may_drop` {sink: [reason, …]}: why the broker may drop what is in that queue, by the scenario's own topology.
    Other keys (broker, generator, fingerprint …) are kept as they are.
`phase`
    `phase` connecting|warm_up|measured|drain|done · `at_ns` instant at which it began.
`window`
    What one worker saw in about a second: see `loadtest.measure.window`.
`event`
    `at_ns` · `code` (connection_lost, blocked, journal_failed …) · `text`, a sentence · anything else that helps.
`broker`
    What the broker, and the machine, said of themselves: `at_ns` instant · `gauges` {name: number}. Several a second,
    each with other gauges; one that was not told is not there.
`users`
    What the users of one worker took over the whole run: `worker` · `taken` {group: [[user from 0, messages], …]} ·
    `blocked` [[publisher, ns], …] for how long the broker had their connections blocked. Comes once from each, before
    the end.
`worker`
    What is known of one process of several: `worker` · `at_ns` · `host`, its name · `cores` that it may use · `clock`,
    what tells its clock from others, null where that is the leading process's · `offset_ns`, by how much its clock is
    ahead of the leading process's, whose instants are those of the journal · `bound_ns`, how far that may be off ·
    `jumps`, measurements that contradicted those before. Comes from each once, and of those with another clock again
    every few seconds.
`lost_worker`
    A process of several is gone: `worker` · `at_ns` when that was noticed · `publishers` [id, …] that it had: what they
    have published and got no answer to is in doubt, and what came of them although no window says so was published ·
    `sinks` that its users took from: what is missing there and was published by then they may have taken ·
    `successors`: publishers that go on in place of these, as in the `run` record, each with `successor_of`, an id ·
    `is_offered`: whether those of which no window says that they were published count as offered, too.
`queue`
    `sink` · `left`: messages still in that sink's queue after the drain, read from the broker.
`depth`
    `queue`, untaken, or a stream, or one at which messages are missing · `messages` that it holds after the drain, of
    a stream all that it ever had; null if nobody tells · `why` it cannot be known what became of what is missing
    there, or null. The last of a queue holds.
`dead_letters`
    `queue`, of which nobody took · `ledger`: the dead letters found in it after the drain, as in a window.
`standing`
    `sink`, whose queue still held messages after the drain while some were missing · `ledger`: those of the run that
    stood in it, all of them.
`dropped`
    `counts` {reason: n}: messages that the broker dropped during the run without handing them on, as its own counters
    have it; `expired`, `maxlen` and `delivery_limit`.
`end` (last, once)
    `at_ns` · `ended_at` UTC, ISO 8601 · `complete`: false where the run was cut short · `reason`: a sentence, or null.

Knows nothing of who writes or reads them. History of the format: 1 = the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from loadtest.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FORMAT: Final = "loadtest.windows/1"

Model = Literal["open", "closed"]
Phase = Literal["connecting", "warm_up", "measured", "drain", "done"]
Record = dict[str, Any]


def run_record(
    *,
    start_ns: int,
    started_at: str,
    scenario: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Any]],
    publishers: Iterable[Mapping[str, Any]],
    sinks: Iterable[str],
    may_drop: Mapping[str, Sequence[str]] | None = None,
    **extra: Any,
) -> Record:
    """Return the record that opens a run; its fields are in the module's docstring."""
    return {
        "type": "run",
        "format": FORMAT,
        "start_ns": start_ns,
        "started_at": started_at,
        "scenario": dict(scenario),
        "groups": {name: dict(group) for name, group in groups.items()},
        "publishers": [dict(publisher) for publisher in publishers],
        "sinks": list(sinks),
        **({"may_drop": {sink: list(reasons) for sink, reasons in may_drop.items()}} if may_drop else {}),
        **extra,
    }


def publisher_entry(
    publisher_id: int, group: str, *, confirms: bool, routes: Sequence[Sequence[str]] | None, is_stamped: bool = True
) -> Record:
    """Return one entry of the `publishers` of a run record."""
    entry = {
        "id": publisher_id,
        "group": group,
        "confirms": confirms,
        "routes": None if routes is None else [list(sinks) for sinks in routes],
    }
    return entry if is_stamped else entry | {"stamp": "none"}


def phase_record(phase: Phase, at_ns: int) -> Record:
    """Return the record that says that *phase* began."""
    return {"type": "phase", "phase": phase, "at_ns": at_ns}


def event_record(at_ns: int, code: str, text: str, **extra: Any) -> Record:
    """Return the record of something that happened to the run, such as a lost connection."""
    return {"type": "event", "at_ns": at_ns, "code": code, "text": redacted(text), **extra}


def broker_record(at_ns: int, gauges: Mapping[str, float]) -> Record:
    """Return the record of what was read of the broker's own state at an instant."""
    return {"type": "broker", "at_ns": at_ns, "gauges": dict(gauges)}


def users_record(
    worker: str, taken: Mapping[str, Mapping[int, int]], blocked: Mapping[int, int] | None = None
) -> Record:
    """
    Return the record of what the users of a worker came to.

    Args:
        worker: Its name.
        taken: Messages that each user took, by group and number of the user.
        blocked: For how long publishers were blocked by the broker, in ns, by publisher id.
    """
    record = {"type": "users", "worker": worker, "taken": {name: sorted(by.items()) for name, by in taken.items()}}
    return record | {"blocked": sorted(blocked.items())} if blocked else record


def worker_record(
    worker: str,
    at_ns: int,
    *,
    host: str | None,
    cores: int | None,
    clock: str | None,
    offset_ns: int,
    bound_ns: int,
    jumps: int = 0,
) -> Record:
    """Return the record of what is known of a process; its fields are in the module's docstring."""
    return {
        "type": "worker",
        "worker": worker,
        "at_ns": at_ns,
        "host": host,
        "cores": cores,
        "clock": clock,
        "offset_ns": offset_ns,
        "bound_ns": bound_ns,
        **({"jumps": jumps} if jumps else {}),
    }


def lost_worker_record(
    at_ns: int,
    worker: str,
    *,
    publishers: Sequence[int],
    sinks: Sequence[str],
    successors: Sequence[Record] = (),
) -> Record:
    """Return the record of a process that is gone; its fields are in the module's docstring."""
    return {
        "type": "lost_worker",
        "at_ns": at_ns,
        "worker": worker,
        "publishers": list(publishers),
        "sinks": list(sinks),
        "successors": list(successors),
        "is_offered": True,
    }


def queue_record(sink: str, left: int) -> Record:
    """Return the record of the messages left in a sink's queue after the drain."""
    return {"type": "queue", "sink": sink, "left": left}


def depth_record(queue: str, messages: int | None, why: str | None = None) -> Record:
    """Return the record of what a queue holds, or why that is not known; its fields are in the module's docstring."""
    return {"type": "depth", "queue": queue, "messages": messages, "why": None if why is None else redacted(why)}


def dead_letters_record(queue: str, ledger: Mapping[str, Any]) -> Record:
    """Return the record of the dead letters found in a queue after the drain."""
    return {"type": "dead_letters", "queue": queue, "ledger": dict(ledger)}


def standing_record(sink: str, ledger: Mapping[str, Any]) -> Record:
    """Return the record of the messages that stood in a sink's queue after the drain."""
    return {"type": "standing", "sink": sink, "ledger": dict(ledger)}


def dropped_record(counts: Mapping[str, int]) -> Record:
    """Return the record of what the broker dropped during the run, by reason."""
    return {"type": "dropped", "counts": dict(counts)}


def end_record(at_ns: int, ended_at: str, *, complete: bool, reason: str | None = None) -> Record:
    """Return the record that closes a run; a journal without one is of a run that was cut off."""
    told = None if reason is None else redacted(reason)
    return {"type": "end", "at_ns": at_ns, "ended_at": ended_at, "complete": complete, "reason": told}
