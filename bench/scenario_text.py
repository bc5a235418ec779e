"""A work as a scenario of ours. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from bench.works import EXCHANGE, QUEUE, Work
from loadtest.stamp import STAMP_BYTES

# The null broker replays the first message; that there are more keeps the run going.
_REPLAYED_RATE: Final = "10/s"


def scenario_of(work: Work, warm_up_s: float, duration_s: float) -> str:
    """Return the scenario (JSON, which is YAML) that does *work* for *duration_s* after a warm-up."""
    queue = QUEUE if work.pairs == 1 else f"{QUEUE}-%d"
    scenario: dict[str, Any] = {
        "name": f"bench-{work.name}",
        "topology": {
            "exchanges": {EXCHANGE: {"type": "direct", "durable": True}},
            "queues": {queue: {"durable": True, **({} if work.pairs == 1 else {"count": work.pairs})}},
            "bindings": [{"exchange": EXCHANGE, "queue": queue, "routing_key": queue}],
        },
        "publishers": {"in": _publisher(work, queue)},
    }
    if work.consumes and work.messages is None:
        scenario["consumers"] = {"out": _consumer(work, queue)}
    if work.messages is None:
        scenario["run"] = {"duration": f"{duration_s:g}s", "warm_up": f"{warm_up_s:g}s", "drain": "5s"}
    else:
        scenario["getters"] = {"out": {"queue": queue, "ack": "auto", "until": "empty", "after": "in"}}
    return json.dumps(scenario, indent=1)


def _publisher(work: Work, queue: str) -> dict[str, Any]:
    publisher: dict[str, Any] = {
        "users": work.pairs,
        "exchange": EXCHANGE,
        "routing_key": queue,
        "body": {"size": f"{work.body_bytes}B"},
        "mandatory": False,
        "confirm_window": work.confirm_window,
        # In the body where there is room, as PerfTest has it: then sizes on the wire compare.
        "stamp": "body" if work.body_bytes >= STAMP_BYTES else "headers",
    }
    if work.persistent:
        publisher["properties"] = {"delivery_mode": 2}
    if work.rate_per_s is not None:
        publisher["rate"] = f"{work.rate_per_s}/s"
    if not work.publishes:
        publisher["rate"] = _REPLAYED_RATE
    if work.messages is not None:
        publisher["messages"] = work.messages
    return publisher


def _consumer(work: Work, queue: str) -> dict[str, Any]:
    consumer: dict[str, Any] = {"users": work.pairs, "queue": queue, "ack": "auto"}
    if work.ack_every:
        consumer |= {"ack": f"every {work.ack_every}", "prefetch": work.prefetch}
    return consumer
