"""
A program that uses `AmqpUser` as a locustfile does, and prints what it saw as JSON; run by test_amqp_client.py.

Locust patches the standard library when it is imported, so this is a process of its own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gevent
import pika
from locust.env import Environment

from loadtest import AmqpUser
from loadtest.locust_app.amqp_client import AmqpClient, RequestError

requests: list[dict[str, Any]] = []
seen: dict[str, Any] = {"requests": requests}


class Someone(AmqpUser):
    """The user under test; tasks are called by hand."""


def note(**request: Any) -> None:
    """Keep what Locust would count."""
    kept = ("request_type", "name", "response_time", "response_length")
    failure = request["exception"]
    requests.append({name: request[name] for name in kept} | {"failure": str(failure) if failure else None})


def failure_of(call: Any, *arguments: Any, **options: Any) -> str:
    """Return what the RequestError that *call* raises says, without the virtual host, which is the test's own."""
    try:
        call(*arguments, **options)
    except RequestError as error:
        return f"{type(error).__name__}: {error}".partition(" in vhost")[0]
    return "none"


def move_messages(amqp: AmqpClient) -> str:
    """Declare, publish, get, consume, acknowledge; return the queue, which is empty again."""
    queue = amqp.declare_queue("", exclusive=True)
    amqp.declare_exchange("session", "topic")
    amqp.bind_queue(queue, "session", "a.#")
    for number in range(250):
        amqp.publish("session", f"a.{number}", b"%d" % number, pika.BasicProperties(delivery_mode=2), name="numbers")
    first = amqp.get(queue, auto_ack=False)
    assert first is not None
    consumed = amqp.consume(queue, 200)
    amqp.ack(first)  # not taken along by the acks of what was consumed
    seen["first"] = first.body.decode()
    seen["consumed"] = [message.body.decode() for message in consumed]
    seen["short"] = len(amqp.consume(queue, 100, timeout_s=0.5))
    seen["empty"] = amqp.get(queue)
    return queue


def fail(amqp: AmqpClient, other: AmqpClient) -> None:
    """Call what the broker refuses; *other* consumes a queue that is deleted meanwhile."""
    doomed = other.declare_queue("", arguments={"x-expires": 60_000})
    deleter = gevent.spawn_later(0.3, amqp.delete_queue, doomed)
    deleted = failure_of(other.consume, doomed, 1, timeout_s=10).replace(doomed, "QUEUE")
    deleter.join()
    seen["failures"] = {
        "unroutable": failure_of(amqp.publish, "session", "b", b""),
        "no exchange": failure_of(amqp.publish, "nowhere", "b", b""),
        "no queue": failure_of(amqp.get, "nowhere"),
        "deleted": deleted,
    }


def be_killed(amqp: AmqpClient, queue: str) -> None:
    """Have a consume killed, as Locust does at the end of a test."""
    killed = gevent.spawn(amqp.consume, queue, 1, timeout_s=10)
    gevent.sleep(0.2)
    before = len(requests)
    killed.kill()
    seen["reported when killed"] = len(requests) - before


def main() -> None:
    """Go through the calls."""
    environment = Environment(user_classes=[Someone])
    environment.events.request.add_listener(note)  # type: ignore[no-untyped-call]  # Locust's events are not typed
    user, other = Someone(environment), Someone(environment)
    queue = move_messages(user.amqp)
    fail(user.amqp, other.amqp)
    be_killed(user.amqp, queue)
    user.amqp.delete_exchange("session")
    user.on_stop()
    other.on_stop()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
