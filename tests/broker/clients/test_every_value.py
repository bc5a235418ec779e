"""
What `validate` accepts can be sent: every value of YAML in every place that has a type of AMQP's.

A table of places and values: either loading the scenario refuses the value, with its line and what is allowed, or a
real broker takes it, and the message or argument arrives equal to what the file says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from loadtest.broker.admin.run_topology import Topology
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.errors import ScenarioError
from loadtest.scenario import build_plan, load_scenario
from loadtest.scenario.grammar.model import Scenario
from tests.broker.clients.load_run import perform
from tests.broker.clients.patched_run import perform_patched

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[3]
VALUES = {
    "decimal": "9.9", "negative": "-0.5", "large": "1e300", "small": "5e-324", "infinity": ".inf", "no number": ".nan",
    "zero": "0", "of 32 bits": "-2147483648", "of 33 bits": "2147483648", "of 64 bits": "9223372036854775807",
    "least of 64 bits": "-9223372036854775808", "of 65 bits": "9223372036854775808", "of 400 digits": "9" * 400,
    "octal": "0o17", "hexadecimal": "0xff", "true": "true", "null": "null", "nothing": "", "text": '"a \\" b"',
    "empty text": '""', "not ASCII": '"ä€😀"', "NUL": '"a\\0b"', "newline": '"a\\nb"', "date": "2026-01-02",
    "time": "2026-01-02T03:04:05Z", "duration": "20ms", "128 signs of 2 bytes": '"' + "ä" * 128 + '"',
    "255 bytes": "x" * 255, "256 bytes": "x" * 256, "70,000 bytes": "x" * 70_000, "130,000 bytes": "x" * 130_000,
    "list": "[1, [2.5, {a: null}], []]", "map": "{a: {b: [true, 0.1]}, c: {}}", "empty list": "[]", "empty map": "{}",
    "binary": "!!binary aGk=", "too large deep within": "[{a: [18446744073709551616]}]",
    "a name of 255 bytes": "{" + "n" * 255 + ": 1}", "a name of 256 bytes": "{" + "n" * 256 + ": 1}",
    "128 signs for a name": "{" + "ä" * 128 + ": 1}", "an empty name": '{"": 1}', "NUL in a name": '{"a\\0b": 0.5}',
    "a name twice": "{a: 1, a: 2}",
}  # fmt: skip
PROPERTIES = (
    "content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration",
    "message_id", "timestamp", "type", "app_id", "cluster_id", "headers",
)  # fmt: skip
VERY_LONG = "4294967295ms"
OF_PROPERTIES = {
    **VALUES, "one": "1", "two": "2", "255": "255", "256": "256", "most of a time to live": VERY_LONG,
    "too long to live": "4294967296ms", "least of a time to live": "0ms",
    "CC": "{CC: [other, 5]}", "CC that is no list": "{CC: other}", "BCC that is no list": "{BCC: 1}", "lt": "{lt: 5}",
}  # fmt: skip


def accepted(text: str) -> Scenario | None:
    """Return the scenario; None if it is refused, which has to be with a line and what is allowed."""
    try:
        return load_scenario("s.yaml", text=text).scenario
    except ScenarioError as error:
        for line in str(error).splitlines():
            assert line.startswith("s.yaml:"), line
            assert "; allowed " in line, line
        return None


def publisher(settings: str) -> str:
    """Return a scenario with one message of such properties."""
    return (
        f"name: t\ntopology: {{queues: {{q: {{}}}}}}\npublishers:\n  p: {{routing_key: q, messages: 1, {settings}}}\n"
    )


def sendable() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the properties that are accepted, as YAML and as AMQP has them."""
    for name in PROPERTIES:
        for value in OF_PROPERTIES.values():
            text = f"properties: {{{name}: {value}}}"
            scenario = accepted(publisher(text))
            if scenario is not None:
                yield text, dict(build_plan(scenario).publishers[0].properties)
    for value in VALUES.values():
        text = f"properties: {{headers: {{field: {value}}}}}"
        scenario = accepted(publisher(text))
        if scenario is not None:
            yield text, dict(build_plan(scenario).publishers[0].properties)


@pytest.mark.parametrize("client", ["bulk", "blocking"])
def test_properties_and_headers_arrive_as_they_were_written(vhost_endpoint: Endpoint, client: str) -> None:
    """Each accepted property and header reaches a plain pika consumer with its value, by either client."""
    cases = [(text, properties) for text, properties in sendable() if not is_short_lived(text)]
    groups = "".join(
        f"  p{number}: {{client: {client}, routing_key: q, messages: 1, body: {{text: p{number}}}, {text}}}\n"
        for number, (text, _) in enumerate(cases)
    )
    text = f"topology: {{keep: true, queues: {{q: {{}}}}}}\npublishers:\n{groups}"
    if client == "bulk":
        result, _ = perform(vhost_endpoint, text)
        totals: dict[str, Any] = result.totals.model_dump()
    else:
        totals = perform_patched(vhost_endpoint, text)["totals"]
    arrived = dict(taken(vhost_endpoint))

    assert totals["confirmed"] == totals["published"] == len(groups.splitlines()) > 100
    for number, (settings, properties) in enumerate(cases):
        assert arrived[f"p{number}"] == {name: value for name, value in properties.items() if value != {}}, settings


def is_short_lived(properties: str) -> bool:
    """Return whether a message with such properties may be gone before it is looked at."""
    return "expiration: " in properties and VERY_LONG not in properties


def taken(endpoint: Endpoint) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield body and properties of what stands in q, without the stamp."""
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    channel = connection.channel()
    while (found := channel.basic_get("q", auto_ack=True))[0] is not None:
        _, properties, body = found
        properties.headers.pop("lt")
        given = {name: value for name, value in vars(properties).items() if value not in (None, {})}
        yield body.decode(), given
    connection.close()


def test_arguments_arrive_as_they_were_written(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """Accepted arguments of queues, exchanges and bindings are what the broker says of them."""
    entries = [f"{{field-{number}: {value}}}" for number, value in enumerate(VALUES.values())]
    fine = [text[1:-1] for text in entries if accepted(declaring(text)) is not None and len(text) < 60_000]
    text = declaring("{" + ", ".join(fine) + "}")
    scenario = accepted(text)
    assert scenario is not None
    topology = Topology(build_plan(scenario).topology, vhost_endpoint)
    topology.declare()
    vhost = vhost_endpoint.vhost
    told = [management._ask("queues", vhost, "q"), management._ask("exchanges", vhost, "x")]
    told += management._list("bindings", vhost, "e", "x", "q", "q")
    topology.close()

    assert len(fine) > 20
    assert len(told) == 3
    for each in told:
        each["arguments"].pop("x-queue-type", None)  # RabbitMQ 4 puts its default there
        assert as_json(each["arguments"]) == as_json(scenario.topology.queues["q"].arguments)


def declaring(arguments: str) -> str:
    """Return a scenario with such arguments in all places that have some."""
    return f"""
name: t
topology:
  exchanges: {{x: {{type: headers, arguments: {arguments}}}}}
  queues: {{q: {{arguments: {arguments}}}}}
  bindings: [{{exchange: x, queue: q, arguments: {arguments}}}]
publishers: {{p: {{routing_key: q, messages: 1}}}}
consumers: {{c: {{queue: q, arguments: {arguments}}}}}
"""


def as_json(arguments: Any) -> Any:
    """Return arguments as the management API writes them: as Erlang has what is empty, and what is nothing."""
    if arguments is None:
        return "undefined"
    if isinstance(arguments, dict):
        return {name: as_json(value) for name, value in arguments.items()} or []
    return [as_json(value) for value in arguments] if isinstance(arguments, list) else arguments


@pytest.mark.parametrize("value", ["9.9", "null", "[1.5, {a: 0.5}]"])
def test_consumers_arguments_are_sent(vhost_endpoint: Endpoint, value: str) -> None:
    """The broker takes them, by either client."""
    for client in ("bulk", "blocking"):
        report = perform_patched(
            vhost_endpoint,
            f"""
topology: {{queues: {{q: {{}}}}}}
publishers: {{in: {{routing_key: q, messages: 5}}}}
consumers: {{out: {{client: {client}, queue: q, ack: every 1, arguments: {{field: {value}}}}}}}
""",
        )
        assert (report["totals"]["delivered"], report["exit_code"]) == (5, 0)


NAMES = {
    "255 bytes": "x" * 255, "127 signs of 2 bytes": "ä" * 127, "63 signs of 4 bytes": "😀" * 63, "tab": "a\\tb",
    "blank": " ", "hash": "#", "per cent": "%", "slash": "a/b", "long with its number": "ä" * 126 + "%d",
}  # fmt: skip


@pytest.mark.parametrize("name", list(NAMES.values()), ids=list(NAMES))
def test_names_are_those_of_the_file(vhost_endpoint: Endpoint, name: str) -> None:
    """Names of queues, exchanges and keys as long as AMQP allows, or odd, are refused or work."""
    count = ", count: 3" if "%d" in name else ""
    exchange = name.replace("%d", "")
    text = f"""
topology:
  exchanges: {{"{exchange}": {{type: direct}}}}
  queues: {{"{name}": {{durable: true{count}}}}}
  bindings: [{{exchange: "{exchange}", queue: "{name}", routing_key: "{name}"}}]
publishers: {{in: {{exchange: "{exchange}", routing_key: "{name}", messages: 6}}}}
consumers: {{out: {{queue: "{name}", ack: every 1}}}}
"""
    if accepted("name: t" + text) is not None:
        result, _ = perform(vhost_endpoint, text)
        assert (result.totals.delivered, result.verdict.exit_code) == (6, 0)
