"""
A command as a worker executes it for a process that leads the run from elsewhere.

Its instants, and those of the answer, are in the time of the run; they are converted here, where they come in and go
out.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loadtest.clock import monotonic_ns
from loadtest.run.workers.clock_conversion import to_own_time, to_run_time

if TYPE_CHECKING:
    from loadtest.run.workers.local_worker import LocalWorker


def execute(
    worker: LocalWorker, command: str, arguments: dict[str, Any], clock_offset_ns: int | None = None
) -> dict[str, Any]:
    """
    Execute a command with the clients of this process, and return records and status as msgpack can carry them.

    Args:
        worker: Of this process.
        command: As `Worker.execute` takes it, ...
        arguments: ... with its arguments, ...
        clock_offset_ns: ... and by how much this process's clock is ahead, if that is news.
    """
    recorder = worker.run.recorder
    old_offset_ns = recorder.clock_offset_ns
    new_offset_ns = old_offset_ns if clock_offset_ns is None else clock_offset_ns
    arguments = to_own_time(arguments, new_offset_ns)
    if arguments.get("now_ns"):
        # What has happened since the command was given is in the recorder already.
        arguments["now_ns"] = max(arguments["now_ns"], monotonic_ns())
    answer = worker.execute(command, arguments, 0)
    recorder.clock_offset_ns = new_offset_ns
    return {
        "records": [to_run_time(record, old_offset_ns, new_offset_ns) for record in answer.records],
        "status": asdict(answer.status.to_run_time(new_offset_ns)),
    }
