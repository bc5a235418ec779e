"""The generators: the command line with which each does a work, and how what it leaves is read."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.printed import Figures, read_locust, read_omq, read_perf_test, read_result
from bench.scenario_text import scenario_of
from bench.works import EXCHANGE, QUEUE, Work

ROOT: Final = Path(__file__).parents[1]
LOCUSTFILE: Final = ROOT / "loadtest" / "main.py"
PIKA_USERS: Final = Path(__file__).with_name("pika_users.py")


@dataclass(frozen=True, slots=True)
class Order:
    """
    What is to be done once.

    Attributes:
        url: Of the broker.
        folder: For whatever files there are; empty at the start.
        warm_up_s: Before the window that counts.
        duration_s: After the warm-up.
    """

    work: Work
    url: str
    folder: Path
    warm_up_s: float
    duration_s: float

    @property
    def seconds(self) -> float:
        """How long a generator that knows no warm-up publishes."""
        return self.warm_up_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Generator:
    """
    One generator.

    Attributes:
        does: Whether it can do a work at all.
        command: Its command line for an order.
        environment: What its environment has besides.
        read: Its figures, from what it printed and left in the folder.
    """

    name: str
    does: Callable[[Work], bool]
    command: Callable[[Order], Sequence[str]]
    read: Callable[[Order, str], Figures]
    environment: Callable[[Order], Mapping[str, str]] = lambda _: {}


def all_generators(perf_test: str | None = None, omq: str | None = None) -> dict[str, Generator]:
    """Return the generators by name; PerfTest and omq only where their commands are given."""
    generators = [
        Generator("loadtest", lambda _: True, _loadtest, _read_loadtest),
        Generator("2 processes", lambda work: work.name in _PROCESSES_WORKS, _processes, _read_loadtest),
        Generator("locust", lambda work: work.name in _LOCUST_WORKS, _locust, _read_loadtest),
        Generator("pika", _is_plain, _pika, lambda *_: {}, _pika_environment),
        Generator("locust+pika", _is_plain, _locust_pika, lambda _, text: read_locust(text), _pika_environment),
    ]
    if perf_test is not None:
        words = shlex.split(perf_test)
        generators.append(
            Generator(
                "PerfTest",
                lambda work: not work.on_null and work.name not in _PROCESSES_WORKS,
                lambda order: perf_test_command(words, order),
                lambda order, text: read_perf_test(text, order.warm_up_s),
            )
        )
    if omq is not None:
        omq_words = shlex.split(omq)
        generators.append(
            Generator("omq", _suits_omq, lambda order: omq_command(omq_words, order), lambda _, text: read_omq(text))
        )
    return {generator.name: generator for generator in generators}


# What it costs to be two.
_PROCESSES_WORKS: Final = {"saturation-2", "confirm-2"}
# Our two doors share all that is hot; a few works show that they do.
_LOCUST_WORKS: Final = {"saturation", "confirm", "paced-20000", "many-connections", "flood"}


def _is_plain(work: Work) -> bool:
    return work.name in {"saturation", "confirm", "paced-1000"}


def _suits_omq(work: Work) -> bool:
    # It always asks for confirms, publishes persistent messages (publisher.go, DeliveryMode) and acks each of them
    # (consumer.go, Ack(tag, false)); it declares queues over AMQP 1.0, which 3.10 has not: so they are predeclared.
    return work.persistent and work.ack_every == 1 and bool(work.confirm_window)


def _write_scenario(order: Order) -> Path:
    path = order.folder / f"bench-{order.work.name}.yaml"
    path.write_text(scenario_of(order.work, order.warm_up_s, order.duration_s))
    return path


def _loadtest(order: Order) -> list[str]:
    scenario = _write_scenario(order)
    results = order.folder / "results"
    return [sys.executable, "-m", "loadtest", "run", str(scenario), "--broker", order.url, "--results", str(results)]


def _processes(order: Order) -> list[str]:
    return [*_loadtest(order), "--processes", "2"]


def _locust(order: Order) -> list[str]:
    scenario = _write_scenario(order)
    return [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"),
        *("--scenario", str(scenario), "--broker", order.url, "--results", str(order.folder / "results")),
    ]


def _read_loadtest(order: Order, _: str) -> Figures:
    documents = list((order.folder / "results").glob("*/result.json"))
    return read_result(json.loads(documents[0].read_text())) if documents else {}


def _pika(_: Order) -> list[str]:
    return [sys.executable, "-m", "bench.plain_pika"]


def _locust_pika(order: Order) -> list[str]:
    return [
        *(sys.executable, "-m", "locust", "-f", str(PIKA_USERS), "--headless", "--json", "--skip-log"),
        *("-u", "2", "-r", "100", "-t", f"{math.ceil(order.seconds)}s", "--stop-timeout", "2"),
    ]


def _pika_environment(order: Order) -> dict[str, str]:
    work = order.work
    asked = {
        "url": order.url,
        "body_bytes": work.body_bytes,
        "confirm": bool(work.confirm_window),
        "prefetch": work.prefetch,
        "ack_every": work.ack_every,
        "rate_per_s": work.rate_per_s,
        "seconds": order.seconds,
    }
    return {"BENCH_PIKA": json.dumps(asked)}


def perf_test_version(command: str) -> str:
    """Return the version that PerfTest says it has; empty if it says none."""
    words = [*shlex.split(command), "--version"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"Perf Test (\S+)", said.stdout)
    return found[1] if found else ""


def perf_test_command(words: Sequence[str], order: Order) -> list[str]:
    """Return PerfTest's command line; *words* start it."""
    work = order.work
    command = [*words, "--uri", order.url, "--size", str(work.body_bytes), "--id", "bench"]
    command += ["--producers", str(work.pairs), "--consumers", str(work.pairs)]
    if work.pairs == 1:
        command += ["--predeclared", "--exchange", EXCHANGE, "--queue", QUEUE, "--routing-key", QUEUE]
    else:
        command += ["--queue-pattern", f"{QUEUE}-%d", "--queue-pattern-from", "1"]
        command += ["--queue-pattern-to", str(work.pairs), "--auto-delete", "false"]
        # As its manual advises for many connections ("Simulating a Large Number of Clients"): Netty's threads are in
        # the place of --nio-threads, which is deprecated.
        command += ["--netty-threads", "10", "--producer-scheduler-threads", "10", "--consumers-thread-pools", "10"]
    if work.persistent:
        command += ["--flag", "persistent"]
    if work.confirm_window:
        command += ["--confirm", str(work.confirm_window)]
    if work.ack_every:
        command += ["--qos", str(work.prefetch), "--multi-ack-every", str(work.ack_every)]
    else:
        command += ["--autoack"]
    if work.rate_per_s is not None:
        command += ["--rate", str(work.rate_per_s // work.pairs)]
    if work.messages is not None:
        return [*command, "--pmessages", str(work.messages), "--cmessages", str(work.messages)]
    # It counts from its start, and whole seconds; the JVM takes about one to begin.
    return [*command, "--time", str(round(order.seconds) + 2 + work.pairs // 100)]


def omq_command(words: Sequence[str], order: Order) -> list[str]:
    """Return omq's command line; *words* start it."""
    work = order.work
    command = [*words, "amqp091", "--uri", order.url, "--queues", "predeclared"]
    command += ["--publish-to", f"/exchanges/{EXCHANGE}/{QUEUE}", "--consume-from", f"/queues/{QUEUE}"]
    command += ["--size", str(work.body_bytes), "--max-in-flight", str(work.confirm_window)]
    if work.ack_every:
        command += ["--consumer-credits", str(work.prefetch)]
    if work.rate_per_s is not None:
        command += ["--rate", str(work.rate_per_s)]
    return [*command, "--print-all-metrics", "--time", f"{round(order.seconds) + 1}s"]
