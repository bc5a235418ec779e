"""Who does what, in which order, and by which command line."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.brokers import _DELIVERED as DELIVERED
from bench.brokers import sum_of
from bench.generators import Order, all_generators, omq_command, perf_test_command
from bench.process_group import ProcessGroup
from bench.rounds import turns
from bench.scenario_text import scenario_of
from bench.works import FULL, QUICK, WORKS
from loadtest.scenario import build_plan, load_scenario

URL = "amqp://guest:guest@127.0.0.1:5672/%2F"


def order_of(work: str, folder: Path = Path()) -> Order:
    """Return an order of *work*."""
    return Order(WORKS[work], URL, folder, warm_up_s=3, duration_s=7)


@pytest.mark.parametrize("name", WORKS)
def test_work_is_a_scenario(name: str, tmp_path: Path) -> None:
    """Every work is a valid scenario of ours, with its users and its rate."""
    work = WORKS[name]
    path = tmp_path / "bench.yaml"
    path.write_text(scenario_of(work, 3, 7))
    plan = build_plan(load_scenario(path).scenario)

    assert work.pairs == len(plan.publishers)
    assert (work.pairs if work.consumes and work.messages is None else 0) == len(plan.consumers)
    assert {work.body_bytes} == {len(body) for spec in plan.publishers for body in spec.bodies}


def test_perf_test_command_with_confirms() -> None:
    """Window, prefetch, acks and rate have PerfTest's names; time is in whole seconds."""
    words = perf_test_command(["java", "-jar", "p.jar"], order_of("paced-20000"))
    text = " ".join(words)

    assert text.startswith("java -jar p.jar --uri amqp://")
    assert "--confirm 192 --qos 200 --multi-ack-every 200 --rate 20000 --time 12" in text
    assert "--autoack" not in words


def test_perf_test_command_for_many_connections() -> None:
    """A queue each, and the rate of each publisher."""
    text = " ".join(perf_test_command(["perf-test"], order_of("many-connections")))

    assert "--producers 1000 --consumers 1000" in text
    assert "--queue-pattern bench-%d --queue-pattern-from 1 --queue-pattern-to 1000" in text
    assert "--rate 1 " in text
    assert "--netty-threads 10" in text
    assert "--nio-threads" not in text


@pytest.mark.parametrize("name", [name for name, work in WORKS.items() if not work.on_null])
def test_all_do_the_same(name: str, tmp_path: Path) -> None:
    """Messages are persistent in each generator or in none, and consumers ack as often."""
    order = order_of(name, tmp_path)
    words = perf_test_command(["perf-test"], order)
    plan = build_plan(load_scenario("bench.yaml", text=scenario_of(order.work, 3, 7)).scenario)
    ours = {spec.properties.get("delivery_mode") == 2 for spec in plan.publishers}
    acks = {str(spec.ack) for spec in plan.consumers}

    assert ours == {"--flag" in words} == {order.work.persistent}
    if acks:
        every = f"every {words[words.index('--multi-ack-every') + 1]}" if "--multi-ack-every" in words else "auto"
        assert acks == {every}
    # omq persists and acks each message, whatever it is told.
    assert all_generators("p", "omq")["omq"].does(order.work) == (order.work.persistent and order.work.ack_every == 1)


def test_perf_test_command_for_a_flood() -> None:
    """A number of messages instead of a time."""
    words = perf_test_command(["perf-test"], order_of("flood"))

    assert ["--pmessages", "1000", "--cmessages", "1000"] == words[-4:]


def test_omq_command() -> None:
    """The same work in omq's words."""
    text = " ".join(omq_command(["omq"], order_of("confirm")))

    assert "omq amqp091 --uri amqp://" in text
    assert "--publish-to /exchanges/bench/bench --consume-from /queues/bench" in text
    assert "--max-in-flight 192 --consumer-credits 200 --print-all-metrics --time 11s" in text


def test_locust_is_given_whole_seconds() -> None:
    """Locust's run time knows no fractions: 3.2 + 7.3 s are 11 s."""
    order = Order(WORKS["saturation"], URL, Path(), warm_up_s=3.2, duration_s=7.3)
    words = all_generators()["locust+pika"].command(order)

    assert "11s" == words[words.index("-t") + 1]


def test_named_commands_take_part() -> None:
    """PerfTest and omq are there only where they are named."""
    assert ["loadtest", "2 processes", "locust", "pika", "locust+pika"] == list(all_generators())
    assert {"PerfTest", "omq"} <= set(all_generators("perf-test", "omq"))


def test_fake_perf_test_runs(tmp_path: Path) -> None:
    """The named command is what runs, its words split as a shell would, and what it prints is read."""
    script = tmp_path / "fake perf test.py"
    latencies = "min/median/75th/95th/99th/max consumer latency: 1/2/3/4/5/6 µs"
    script.write_text(f"print('id: bench, time 9.0 s, sent: 1 msg/s, {latencies}')\n")
    generator = all_generators(f"{sys.executable} '{script}'")["PerfTest"]
    order = order_of("saturation", tmp_path)
    with ProcessGroup(generator.command(order), tmp_path, {}, tmp_path) as group:
        code, _ = group.wait(5)

    assert (0, {"end_to_end_p50_us": 2.0, "end_to_end_p99_us": 5.0}) == (code, generator.read(order, group.output()))


def test_group_is_ended_with_its_children(tmp_path: Path) -> None:
    """A generator that does not end is ended, with all that it started, and its CPU time is known."""
    sleep = "import time; time.sleep(60)"
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{sleep}'])"
    work = "sum(range(5_000_000))"  # longer than the kernel's tick of 10 ms, in which it counts
    script = f"{start}; {work}; print('up', flush=True); {sleep}"
    with ProcessGroup([sys.executable, "-c", script], tmp_path, {}, tmp_path) as group:
        while "up" not in group.output():
            assert group.is_alive
        memory = group.memory_bytes()
        code, used_s = group.wait(0.01)

    assert code is None
    assert used_s > 0
    assert memory > 1_000_000
    assert group.memory_bytes() == 0


def test_turns_are_fair() -> None:
    """Every generator does every work it can once a round, and another one begins each round."""
    generators = [all_generators()[name] for name in ("loadtest", "locust", "pika")]
    planned = list(turns([WORKS["saturation"], WORKS["null-publish"]], generators, rounds=3))
    counted = Counter((work.name, generator.name) for _, work, generator in planned)
    first = [generator.name for number in range(3) for n, work, generator in planned if n == number][::4]

    assert {("saturation", "loadtest"): 3, ("saturation", "locust"): 3, ("saturation", "pika"): 3} | {
        ("null-publish", "loadtest"): 3
    } == counted
    assert ["loadtest", "locust", "pika"] == first


def test_named_selections_exist() -> None:
    """The quick bench is part of the full one, and the soak of neither."""
    assert set(QUICK) <= set(FULL) < set(WORKS)


def test_counters_of_all_queue_types_are_added() -> None:
    """Deliveries are counted whatever the queue's type; other protocols are none of ours."""
    text = """\
# TYPE rabbitmq_global_messages_delivered_total counter
rabbitmq_global_messages_delivered_total{protocol="amqp091",queue_type="rabbit_classic_queue"} 7
rabbitmq_global_messages_delivered_total{protocol="amqp091",queue_type="rabbit_quorum_queue"} 5
rabbitmq_global_messages_delivered_total{protocol="mqtt",queue_type="rabbit_quorum_queue"} 100
"""

    assert 12 == sum_of(DELIVERED, text)
