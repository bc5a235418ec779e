"""How a broken run is made: its scenario, its process, and the books that are held against it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pika

from tests.e2e.broken.books import Json, Truth, drain, read_told
from tests.e2e.broken.cases import NONE, RATE, Case
from tests.e2e.processes import LOADTEST, Finished, Processes, Running

BODY = "hello"

SCENARIO = """
name: broken
topology:
  keep: true
  exchanges: {x-ID: {type: fanout, durable: true}, dead-ID: {type: fanout, durable: true}}
  queues:
    q-ID: {type: KIND, QUEUE_SETTINGS, arguments: {ARGUMENTS}}
    audit-ID: {type: KIND, durable: true}
    letters-ID: {type: KIND, durable: true}
  bindings:
    - {exchange: x-ID, queue: q-ID}
    - {exchange: x-ID, queue: audit-ID}
    - {exchange: dead-ID, queue: letters-ID}
publishers:
  in:
    users: 2
    exchange: x-ID
    body: {text: BODY}
    rate: RATE/s
PUBLISHER
TAKERS:
  out:
    queue: q-ID
TAKER
run: {RUN}
faults: [FAULTS]
"""


@dataclass
class Nodes:
    """
    The broker that is broken.

    Attributes:
        urls: Of all its nodes, as `LOADTEST_BROKER` takes them.
        state: The folder by which it is known as the tool's own.
    """

    urls: str
    state: Path

    @property
    def ports(self) -> dict[str, int]:
        """The port of each node, by the name that the faults' events tell."""
        ports = [urlsplit(url).port or 0 for url in self.urls.split(",")]
        return {f"broken-{number}" if len(ports) > 1 else "broken": port for number, port in enumerate(ports, start=1)}

    @property
    def any_url(self) -> str:
        """The first node that answers."""
        for url in self.urls.split(","):
            try:
                pika.BlockingConnection(pika.URLParameters(url)).close()
            except pika.exceptions.AMQPError:
                continue
            return url
        raise AssertionError(f"no node of {self.urls} answers")


def scenario_text(case: Case, number: str) -> str:
    """Return the scenario of a case, with names of its own."""
    takers = "getters" if case.consumer == "getters" else "consumers"
    publisher = {"confirm_window": "50", "properties": "{delivery_mode: 2}"} | _keys(case.publisher)
    taker = {"users": "2", "ack": "every 5"} | ({"prefetch": "20"} if takers == "consumers" else {"rate": "400/s"})
    taker |= _keys("" if takers == "getters" else case.consumer)
    run = {"drain": "20s"} | _keys(case.run if ":" in case.run else "")
    if "-node" in case.faults:  # until all is sent: how long a node takes to start is the machine's business
        publisher["messages"] = f"{RATE * case.duration_s:.0f}"
    else:
        run["duration"] = f"{case.duration_s:g}s"
    words = {
        "KIND": case.kind,
        "QUEUE_SETTINGS": case.queue,
        "ARGUMENTS": case.arguments.replace("DEAD", f"x-dead-letter-exchange: dead-{number}"),
        "BODY": BODY,
        "RATE": str(RATE),
        "PUBLISHER": _lines(publisher),
        "TAKERS": takers,
        "TAKER": _lines(taker),
        "RUN": ", ".join(f"{key}: {value}" for key, value in run.items()),
        "FAULTS": case.faults.replace("QUEUE", f"q-{number}"),
    }
    text = SCENARIO
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, words[word])
    return text.replace("-ID", f"-{number}")


def _keys(settings: str) -> dict[str, str]:
    """Return the keys of a mapping in flow style whose values may hold commas in braces."""
    found: dict[str, str] = {}
    depth, piece = 0, ""
    for sign in f"{settings},":
        depth += (sign == "{") - (sign == "}")
        if sign == "," and not depth:
            key, _, value = piece.partition(":")
            if key.strip():
                found[key.strip()] = value.strip()
            piece = ""
        else:
            piece += sign
    return found


def _lines(keys: dict[str, str]) -> str:
    return "\n".join(f"    {key}: {value}" for key, value in keys.items())


def break_it(case: Case, nodes: Nodes, processes: Processes) -> tuple[Finished, Truth]:
    """Run a case, and return what came of it with the books that must agree."""
    number = secrets.token_hex(3)
    path = processes.folder / "broken.yaml"
    path.write_text(scenario_text(case, number))
    urls = nodes.urls
    if case.run == "heartbeat":
        urls = ",".join(f"{url}?heartbeat=5" for url in urls.split(","))
    running = processes.start([*LOADTEST, "run", str(path)], LOADTEST_STATE_DIR=str(nodes.state), LOADTEST_BROKER=urls)
    try:
        if case.run == "exchange":
            _delete_exchange(running, nodes, number)
        run = running.wait(case.duration_s + 60)
        assert list(run.folder.glob("results/*/result.json")), run.printed
        url = nodes.any_url
        truth = Truth(
            told=read_told(run.results_folder / "windows.jsonl"),
            queue=f"q-{number}",
            standing=drain(url, f"q-{number}"),
            copies=(f"audit-{number}", drain(url, f"audit-{number}")),
            is_audited=case.audited,
            dead=drain(url, f"letters-{number}"),
            body=BODY.encode(),
        )
    finally:
        _remove(nodes, number)
    return run, truth


def _delete_exchange(running: Running, nodes: Nodes, number: str) -> None:
    """Take the exchange away from under the publishers for three seconds, which closes their channels."""
    running.wait_measured(windows=2)
    connection = pika.BlockingConnection(pika.URLParameters(nodes.any_url))
    channel = connection.channel()
    channel.exchange_delete(f"x-{number}")
    time.sleep(3)
    channel.exchange_declare(f"x-{number}", "fanout", durable=True)
    for queue in (f"q-{number}", f"audit-{number}"):
        channel.queue_bind(queue, f"x-{number}")
    connection.close()


def _remove(nodes: Nodes, number: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(nodes.any_url))
    channel = connection.channel()
    for queue in ("q", "audit", "letters"):
        channel.queue_delete(f"{queue}-{number}")
    for exchange in ("x", "dead"):
        channel.exchange_delete(f"{exchange}-{number}")
    connection.close()


def assert_as_expected(case: Case, run: Finished) -> None:
    """Fail unless the rows are in the ranges that the case names, with its events and exit code."""
    result: Json = run.result
    totals, codes = result["totals"], {event["code"] for event in result["events"]}
    for name, (least, most) in ({"lost": NONE} | case.rows).items():
        assert least <= totals[name] <= most, (name, totals[name])
    assert set(case.events) <= codes, codes
    assert "fault-failed" not in codes, run.printed
    expected = case.exit_code if case.exit_code >= 0 else int(totals["lost"] > 0)
    assert run.exit_code == expected, run.printed
