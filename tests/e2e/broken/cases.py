"""
The table of broken runs: what is done to the broker, and what must have come of it.

Each publishes 300 messages a second through a fanout exchange to a queue that is consumed and to one that nobody takes
from, the audit. What is expected of the rows is a range; the exact figures come from the journal and the broker.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RATE = 300

NONE = (0, 0)
SOME = (1, 10**9)
ANY = (0, 10**9)
FEW = (1, 300)
"""At most a second's worth."""

HARM_S = 12
"""Some seconds more than a fault takes on an idle machine: on a busy one, rabbitmqctl alone takes four."""
LONG_HARM_S = 20
"""What fell due in an outage is dropped: so that more falls due after it."""
QUIET_S = 6
"""Nothing is done to the broker."""

Rows = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Case:
    """
    One broken run.

    Attributes:
        faults: As in a scenario.
        rows: Least and most of rows of the totals; `lost`, if it is not named, is none.
        events: Codes that must be among the events.
        exit_code: Of the process.
        queue: More of the consumed queue; `arguments` are given apart.
        audited: Whether the audit queue survives all of it, so that it is a witness.
        duration_s: How long the schedule is. Where a node goes down a run lasts until what fell due in it is sent.
        long: Whether it is left to `make test-long`.
    """

    faults: str
    rows: Rows = field(default_factory=dict)
    events: tuple[str, ...] = ()
    exit_code: int = 0
    kind: str = "classic"
    queue: str = "durable: true"
    arguments: str = ""
    publisher: str = ""
    consumer: str = ""
    run: str = ""
    duration_s: float = HARM_S
    audited: bool = True
    long: bool = True


BACK = ("fault", "connection-dropped", "reconnected")
LATER = "{at: 2500ms, do: "
ONE_NODE = {
    "the only node killed, classic queue": Case(LATER + "kill-node, for: 1s}", {"in_doubt": ANY}, BACK, long=False),
    "the only node killed, quorum queue": Case(
        LATER + "kill-node, for: 1s}",
        {"in_doubt": ANY},
        BACK,
        kind="quorum",
    ),
    "the only node killed twice": Case(
        "{at: 3s, do: kill-node, for: 1s}, {at: 16s, do: kill-node, for: 1s}", {"in_doubt": ANY}, BACK, duration_s=20
    ),
    "the only node killed, in doubt published again": Case(
        LATER + "kill-node, for: 1s}",
        {"in_doubt": NONE, "vanished": NONE, "republished": ANY},
        BACK,
        publisher="in_doubt: republish",
    ),
    "the only node killed, what falls due dropped": Case(
        LATER + "kill-node, for: 1s}", {"dropped": SOME}, BACK, publisher="on_outage: drop", duration_s=LONG_HARM_S
    ),
    "the only node killed, what falls due dropped, blocking client": Case(
        LATER + "kill-node, for: 1s}",
        {"dropped": SOME},
        BACK,
        publisher="client: blocking, confirm_window: 1, on_outage: drop",
        duration_s=LONG_HARM_S,
    ),
    "the only node killed, transient messages": Case(
        LATER + "kill-node, for: 1s}",
        {"lost": SOME},
        BACK,
        exit_code=1,
        publisher="properties: {delivery_mode: 1}",
        consumer="start_at: 9s",
        audited=False,
    ),
    "the only node killed, transient queue": Case(
        LATER + "kill-node, for: 1s}",
        {"lost": SOME},
        BACK,
        exit_code=1,
        queue="durable: false",
        consumer="start_at: 9s",
    ),
    "the only node killed, without confirms": Case(
        LATER + "kill-node, for: 1s}",
        {"confirmed": NONE, "unconfirmed": SOME},
        BACK,
        publisher="confirm_window: 0",
    ),
    "the node restarted in order": Case(LATER + "restart-node}", {"in_doubt": ANY}, BACK, duration_s=20),
    "the node paused for a second": Case(
        LATER + "pause-node, for: 1s}", {"in_doubt": NONE, "duplicates": NONE}, ("fault",)
    ),
    "the node paused for 20 s, beyond the heartbeat": Case(
        LATER + "pause-node, for: 20s}", {"in_doubt": ANY}, BACK, duration_s=30, run="heartbeat"
    ),
    "a memory alarm": Case(
        LATER + "memory-alarm, for: 2s}",
        {"in_doubt": NONE, "duplicates": NONE},
        ("fault", "connection-blocked", "connection-unblocked"),
    ),
    "a full disk": Case(
        LATER + "disk-alarm, for: 2s}",
        {"in_doubt": NONE, "duplicates": NONE},
        ("fault", "connection-blocked", "connection-unblocked"),
    ),
    "connections closed": Case(LATER + "close-connections}", {"in_doubt": ANY}, BACK),
    "connections closed each second": Case("{every: 1s, do: close-connections}", {"in_doubt": ANY}, BACK),
    "connections closed, blocking client": Case(
        LATER + "close-connections}",
        {"in_doubt": ANY},
        BACK,
        publisher="client: blocking, confirm_window: 1",
        consumer="client: blocking",
    ),
    "connections closed, getters": Case(
        LATER + "close-connections}", {"in_doubt": ANY, "got": SOME}, BACK, consumer="getters"
    ),
    "the queue purged": Case(
        LATER + "purge-queue, queue: QUEUE}", {"lost": SOME}, ("fault",), exit_code=1, consumer="start_at: 9s"
    ),
    "a transient queue deleted under its consumers": Case(
        LATER + "delete-queue, queue: QUEUE}",
        {"lost": ANY, "delivered": SOME},
        ("fault", "connection-dropped", "reconnected"),
        exit_code=-1,
        queue="durable: false",
    ),
    "the exchange deleted under its publishers": Case(
        "", {"in_doubt": ANY}, ("connection-dropped", "reconnected"), run="exchange", duration_s=8
    ),
    "the exchange deleted, what falls due dropped": Case(
        "",
        {"in_doubt": ANY, "dropped": SOME},
        ("connection-dropped", "reconnected"),
        run="exchange",
        publisher="on_outage: drop",
        duration_s=8,
    ),
    "a queue that is full drops the oldest": Case(
        "",
        {"overflowed": SOME, "delivered": SOME},
        arguments="x-max-length: 100",
        consumer="start_at: 4s",
        duration_s=QUIET_S,
    ),
    "a queue that is full refuses": Case(
        "",
        {"nacked": SOME, "delivered": SOME},
        arguments="x-max-length: 100, x-overflow: reject-publish",
        consumer="start_at: 4s",
        duration_s=QUIET_S,
    ),
    "messages expire": Case(
        "", {"expired": SOME}, arguments="x-message-ttl: 500", consumer="start_at: 4s", duration_s=7
    ),
    "messages expire and are handed on": Case(
        "", {"dead_lettered": SOME}, arguments="x-message-ttl: 500, DEAD", consumer="start_at: 4s", duration_s=7
    ),
    "messages rejected": Case(
        "", {"dead_lettered": SOME, "rejected": SOME}, arguments="DEAD", consumer="reject: 10%", duration_s=QUIET_S
    ),
    "messages requeued": Case(
        "", {"requeued": SOME, "duplicates": SOME}, consumer="nack: {share: 10%, requeue: true}", duration_s=QUIET_S
    ),
    "poison messages, and connections closed": Case(
        LATER + "close-connections}",
        {"dead_lettered": SOME, "requeued": SOME, "in_doubt": ANY},
        BACK,
        kind="quorum",
        arguments="x-delivery-limit: 3, DEAD",
        consumer="reject: {share: 2%, requeue: true, of: messages}",
    ),
    "consumers that never acknowledge": Case(
        "",
        {"remaining": SOME, "delivered": (40, 40)},
        consumer="ack: none",
        run="drain: 1s",
        duration_s=QUIET_S,
    ),
    "the network resets every 2 s": Case("{every: 2s, do: cut-network, how: reset}", {"in_doubt": ANY}, BACK),
    "the network refuses for a second": Case(
        LATER + "cut-network, how: reset, for: 1s}", {"in_doubt": ANY}, BACK, publisher="in_doubt: republish"
    ),
    "a slow network": Case(
        "{at: 1s, do: slow-network, latency: 30ms, jitter: 10ms, bandwidth: 100KB/s, for: 3s}",
        {"in_doubt": NONE, "duplicates": NONE},
        ("fault",),
    ),
    "a black hole for a second": Case(
        LATER + "cut-network, for: 1s}", {"in_doubt": NONE, "duplicates": NONE}, ("fault",)
    ),
    "a black hole beyond the heartbeat": Case(
        LATER + "cut-network, for: 14s}", {"in_doubt": ANY}, BACK, run="heartbeat", duration_s=24
    ),
    "auto-ack, and connections closed": Case(
        "{every: 500ms, do: close-connections}",
        {"lost": ANY, "duplicates": NONE, "in_doubt": ANY},
        BACK,
        exit_code=-1,
        consumer="ack: auto",
    ),
}

THREE_NODES = {
    "a follower killed": Case(LATER + "kill-node, node: 3, for: 1s}", {"in_doubt": ANY}, ("fault",), kind="quorum"),
    "the leader killed": Case(LATER + "kill-node, leader_of: QUEUE, for: 1s}", {"in_doubt": ANY}, BACK, kind="quorum"),
    "the leader killed twice": Case(
        "{at: 3s, do: kill-node, leader_of: QUEUE, for: 1s}, {at: 12s, do: kill-node, leader_of: QUEUE, for: 1s}",
        {"in_doubt": ANY},
        BACK,
        kind="quorum",
        duration_s=20,
    ),
    "the leader stopped in order": Case(
        LATER + "stop-node, leader_of: QUEUE, for: 1s}",
        {"in_doubt": ANY},
        BACK,
        kind="quorum",
    ),
    "the leader paused for 20 s, beyond the heartbeat": Case(
        LATER + "pause-node, leader_of: QUEUE, for: 20s}",
        {"in_doubt": ANY},
        BACK,
        kind="quorum",
        duration_s=30,
        run="heartbeat",
    ),
    "all nodes killed": Case(
        LATER + "kill-node, node: all, for: 1s}", {"in_doubt": ANY}, BACK, kind="quorum", duration_s=25
    ),
    # The link of the third consumer, not of the two publishers: what is on its way to it was confirmed long ago.
    "auto-ack, and what is on its way cut off": Case(
        "{at: 2s, do: slow-network, node: 3, latency: 400ms, for: 2500ms}, "
        "{at: 4s, do: cut-network, node: 3, how: reset}",
        {"lost": SOME, "in_doubt": NONE, "duplicates": NONE},
        BACK,
        exit_code=1,
        consumer="ack: auto, users: 3",
    ),
    "connections closed on three nodes": Case(LATER + "close-connections}", {"in_doubt": ANY}, BACK, kind="quorum"),
}
