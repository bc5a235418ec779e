"""The errors of bad scenarios, each with its exact text."""

from __future__ import annotations

import re

import pytest

from loadtest.errors import ScenarioError
from loadtest.scenario import load_scenario
from loadtest.scenario.checks.limits import users_need
from loadtest.scenario.grammar.faults import FAULTS

GOOD = """\
name: t
topology:
  exchanges:
    orders: {type: direct}
    hidden: {internal: true}
  queues:
    work: {durable: true}
    part-%d: {count: 4}
  bindings:
    - {exchange: orders, queue: work, routing_key: a}
publishers:
  shop: {exchange: orders, routing_key: a, messages: 10}
consumers:
  billing: {queue: work}
"""
PUBLISHER_KEYS = (
    "after, arrival, body, client, confirm_window, exchange, in_doubt, mandatory, messages, on_outage, properties, "
    "rate, routing_key, stamp, start_at, users"
)
ROOT_KEYS = "compare, consumers, description, faults, getters, name, publishers, run, thresholds, topology"
LASTING = "kill-node, stop-node, pause-node, memory-alarm, disk-alarm, cut-network, slow-network"
DURATION = "a time with its unit (ns, us, ms, s, m, h or d), such as 20ms"
RATE = "a rate with its unit (/s, /m or /h), such as 2000/s"
SIZE = "a size with its unit (B, KB, KiB, MB or MiB), such as 1KB"
TOTALS_AND_RATES = (
    "offered_rate, published_rate, confirmed_rate, delivered_rate, got_rate, published, confirmed, nacked, returned, "
    "in_doubt, delivered, got, get_empty, duplicates, redelivered, out_of_order, corrupted, foreign, lost, "
    "duplicates_unflagged, dead_lettered, expired, overflowed, delivery_limit, unread, unknown, rejected, requeued"
)


def errors_of(text: str, *overrides: str) -> str:
    """Return the whole text of the error that loading a scenario raises."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario("s.yaml", text=text, overrides=overrides)
    return str(caught.value)


def changed(old: str, new: str) -> str:
    """Return the good scenario with a piece of it replaced."""
    assert old in GOOD
    return GOOD.replace(old, new)


def shop(settings: str) -> str:
    """Return the good scenario with more settings in the publisher group, which is in line 12."""
    return changed("messages: 10", f"messages: 10, {settings}")


def billing(settings: str) -> str:
    """Return the good scenario with more settings in the consumer group, which is in line 14."""
    return changed("queue: work}\n", f"queue: work, {settings}}}\n")


def threshold(text: str) -> str:
    """Return the good scenario with a threshold, in line 16."""
    return f"{GOOD}thresholds:\n  - {text}\n"


BAD = {
    "unknown key": (
        changed("messages: 10", "mesages: 10, rate: [{for: 1s, rate: 1/s}]"),
        f's.yaml:12: publishers.shop.mesages: found an unknown key; allowed {PUBLISHER_KEYS}; did you mean "messages"?',
    ),
    "later work": (
        GOOD + "requesters: {}\n",
        f"s.yaml:15: requesters: found an unknown key; allowed {ROOT_KEYS}",
    ),
    "fault without a time": (
        GOOD + "faults:\n  - {do: kill-node}\n",
        "s.yaml:16: faults[0]: found neither at nor every; allowed one of them",
    ),
    "fault at two times": (
        GOOD + "faults:\n  - {do: kill-node, at: 1s, every: 2s}\n",
        "s.yaml:16: faults[0]: found at beside every; allowed one of them",
    ),
    "unknown fault": (
        GOOD + "faults:\n  - {do: kill-nod, at: 1s}\n",
        f's.yaml:16: faults[0].do: found "kill-nod"; allowed {" or ".join(FAULTS)}; did you mean "kill-node"?',
    ),
    "fault of no node": (
        GOOD + "faults:\n  - {do: kill-node, node: 0, at: 1s}\n",
        "s.yaml:16: faults[0].node: found 0; allowed a node's number, from 1, or all",
    ),
    "fault of a node twice named": (
        GOOD + "faults:\n  - {do: kill-node, node: 1, leader_of: work, at: 1s}\n",
        "s.yaml:16: faults[0]: found node beside leader_of; allowed one of them",
    ),
    "fault of a queue unnamed": (
        GOOD + "faults:\n  - {do: delete-queue, at: 1s}\n",
        "s.yaml:16: faults[0]: found delete-queue without a queue; allowed queue beside delete-queue or purge-queue",
    ),
    "fault that cannot last": (
        GOOD + "faults:\n  - {do: restart-node, at: 1s, for: 2s}\n",
        f"s.yaml:16: faults[0]: found for beside restart-node, which is over at once; allowed beside {LASTING}",
    ),
    "fault that is never undone": (
        GOOD + "faults:\n  - {do: pause-node, every: 2s, for: 2s}\n",
        "s.yaml:16: faults[0]: found for that is not shorter than every; allowed a shorter time",
    ),
    "slow network of no slowness": (
        GOOD + "faults:\n  - {do: slow-network, at: 1s}\n",
        "s.yaml:16: faults[0]: found slow-network without latency and bandwidth; allowed one of them, or both",
    ),
    "jitter of no latency": (
        GOOD + "faults:\n  - {do: slow-network, at: 1s, latency: 5ms, jitter: 6ms}\n",
        (
            "s.yaml:16: faults[0]: found a jitter above the latency; "
            "allowed at most the latency, of which it is more or less"
        ),
    ),
    "latency of a cut": (
        GOOD + "faults:\n  - {do: cut-network, at: 1s, latency: 5ms}\n",
        "s.yaml:16: faults[0]: found latency beside cut-network; allowed beside slow-network",
    ),
    "bandwidth of a node": (
        GOOD + "faults:\n  - {do: kill-node, at: 1s, bandwidth: 1MB/s}\n",
        "s.yaml:16: faults[0]: found bandwidth beside kill-node; allowed beside slow-network",
    ),
    "latency of 0": (
        GOOD + "faults:\n  - {do: slow-network, at: 1s, latency: 0ms}\n",
        "s.yaml:16: faults[0].latency: found 0ms; allowed more than 0ms",
    ),
    "bandwidth without a unit": (
        GOOD + "faults:\n  - {do: slow-network, at: 1s, bandwidth: 1000}\n",
        (
            "s.yaml:16: faults[0].bandwidth: found 1000; allowed a bandwidth with its unit "
            "(B/s, KB/s, MB/s, GB/s, kbit/s, Mbit/s or Gbit/s), such as 1MB/s"
        ),
    ),
    "how of another fault": (
        GOOD + "faults:\n  - {do: slow-network, at: 1s, latency: 5ms, how: reset}\n",
        "s.yaml:16: faults[0]: found how beside slow-network; allowed beside cut-network",
    ),
    "network cut in no known way": (
        GOOD + "faults:\n  - {do: cut-network, at: 1s, how: rest}\n",
        's.yaml:16: faults[0].how: found "rest"; allowed black-hole or reset; did you mean "reset"?',
    ),
    "black hole again and again": (
        GOOD + "faults:\n  - {do: cut-network, every: 1s}\n",
        (
            "s.yaml:16: faults[0]: found a black hole again and again that never ends; "
            "allowed for beside it, or how: reset"
        ),
    ),
    "restored for a while": (
        GOOD + "faults:\n  - {do: restore-network, at: 1s, for: 2s}\n",
        f"s.yaml:16: faults[0]: found for beside restore-network, which is over at once; allowed beside {LASTING}",
    ),
    "empty file": (
        "",
        "s.yaml:1: name: found nothing; allowed a name of at most 64 letters, digits, ., _ and -",
    ),
    "root is a list": (
        "- a",
        "s.yaml:1: scenario: found a list; allowed a mapping: name, topology, publishers, …",
    ),
    "name with a slash": (
        changed("name: t", "name: ../t"),
        's.yaml:1: name: found "../t"; allowed a name of at most 64 letters, digits, ., _ and -',
    ),
    "no YAML": (
        "name: t\nrun: {duration: 3s\n",
        "s.yaml:3: scenario: found no YAML (expected ',' or '}', but got '<stream end>'); allowed YAML 1.2",
    ),
    "tab": (
        "name: t\nrun:\n\tduration: 3s\n",
        "s.yaml:3: scenario: found no YAML (found character '\\t' that cannot start any token); allowed YAML 1.2",
    ),
    "NUL": (
        "name: \0",
        (
            "s.yaml:1: scenario: found no YAML (unacceptable character #x0000: special characters are not allowed); "
            "allowed YAML 1.2"
        ),
    ),
    "duplicate key": (
        GOOD + "name: again\n",
        "s.yaml:15: name: found the key again (first in line 1); allowed each key once",
    ),
    "tag": (
        changed("name: t", "name: !!python/name:os.system t"),
        "s.yaml:1: name: found the tag tag:yaml.org,2002:python/name:os.system; allowed plain YAML 1.2 without tags",
    ),
    "merge key": (
        GOOD + "run:\n  <<: {duration: 3s}\n",
        "s.yaml:16: scenario: found the merge key <<; allowed YAML 1.2, which has none",
    ),
    "alias without anchor": (
        GOOD + "run: *other\n",
        "s.yaml:15: scenario: found the alias *other without an anchor before it; allowed &other before",
    ),
    "two documents": (
        GOOD + "---\na: b\n",
        "s.yaml:15: scenario: found a second document; allowed one document a file",
    ),
    "number too long": (
        GOOD + f"run: {{seed: {'9' * 5000}}}\n",
        "s.yaml:15: run.seed: found a number of 5000 digits; allowed at most 400 digits",
    ),
    "bare number for a time": (
        GOOD + "run: {duration: 60}\n",
        f"s.yaml:15: run.duration: found 60; allowed {DURATION}",
    ),
    "sexagesimal is text": (
        GOOD + "run: {duration: 10:30}\n",
        f's.yaml:15: run.duration: found "10:30"; allowed {DURATION}',
    ),
    "time finer than a nanosecond": (
        GOOD + "run: {warm_up: 1.5ns}\n",
        's.yaml:15: run.warm_up: found "1.5ns"; allowed a whole number of nanoseconds, at most 366d',
    ),
    "duration of nothing": (
        GOOD + "run: {duration: 0s}\n",
        "s.yaml:15: run.duration: found 0ms; allowed more than 0ms",
    ),
    "bare number for a rate": (
        shop("rate: 60"),
        f"s.yaml:12: publishers.shop.rate: found 60; allowed {RATE}",
    ),
    "rate of nothing": (
        shop("rate: 0/s"),
        "s.yaml:12: publishers.shop.rate: found a schedule without any arrival; allowed a rate above 0/s",
    ),
    "bad stages": (
        shop("rate: [{for: 10, to: 3}, {for: 1s, rate: 1/s, to: 3/s}]"),
        (
            f"s.yaml:12: publishers.shop.rate[0].for: found 10; allowed {DURATION}\n"
            f"s.yaml:12: publishers.shop.rate[0].to: found 3; allowed {RATE}\n"
            "s.yaml:12: publishers.shop.rate[1]: found rate beside from or to; allowed rate, or from and to"
        ),
    ),
    "poisson without a rate": (
        shop("arrival: poisson"),
        's.yaml:12: publishers.shop.arrival: found "poisson" without a rate; allowed arrival beside rate only',
    ),
    "bare number for a size": (
        shop("body: {size: 100}"),
        f"s.yaml:12: publishers.shop.body.size: found 100; allowed {SIZE}",
    ),
    "two bodies": (
        shop("body: {text: a, size: 1KB}"),
        "s.yaml:12: publishers.shop.body: found text and size; allowed one of text, json, file, size, random",
    ),
    "no such body file": (
        shop("body: {file: no/such/file}"),
        (
            's.yaml:12: publishers.shop.body.file: found "no/such/file" (No such file or directory); '
            "allowed a readable file of at most 134217728 bytes"
        ),
    ),
    "body too small for the stamp": (
        shop("stamp: body, body: {size: 23B}"),
        's.yaml:12: publishers.shop.stamp: found "body" with bodies of 23 bytes; allowed a body of 24B or more',
    ),
    "stamp in a body that means something": (
        shop("stamp: body, body: {text: hello}"),
        (
            's.yaml:12: publishers.shop.stamp: found "body" with a body that means something; '
            "allowed headers or none, or a body with size or random"
        ),
    ),
    "window of a blocking client": (
        shop("client: blocking, confirm_window: 10"),
        (
            "s.yaml:12: publishers.shop.confirm_window: found 10; "
            "allowed 0 or 1 with client: blocking, which waits for each"
        ),
    ),
    "properties": (
        shop("properties: {delivery_mode: 3, expiration: 5.5us, content_type: 3}"),
        (
            "s.yaml:12: publishers.shop.properties.content_type: found 3, which is no text in YAML; "
            'allowed text, in quotes: "3"\n'
            "s.yaml:12: publishers.shop.properties.delivery_mode: found 3; allowed a whole number from 1 to 2\n"
            "s.yaml:12: publishers.shop.properties.expiration: found a fraction of a millisecond; "
            "allowed whole milliseconds, such as 20ms"
        ),
    ),
    "header that AMQP cannot carry": (
        shop("properties: {headers: {a: .nan, b: [1, 99999999999999999999]}}"),
        (
            "s.yaml:12: publishers.shop.properties.headers.a: found nan; allowed a finite number\n"
            "s.yaml:12: publishers.shop.properties.headers.b[1]: found 99999999999999999999; "
            "allowed a whole number of 64 bits"
        ),
    ),
    "choices and numbers": (
        shop("client: blokcing, mandatory: yes, users: 0, confirm_window: 1.5"),
        (
            's.yaml:12: publishers.shop.client: found "blokcing"; allowed bulk or blocking; did you mean "blocking"?\n'
            "s.yaml:12: publishers.shop.confirm_window: found 1.5; "
            "allowed a whole number of messages from 0 to 1000000\n"
            's.yaml:12: publishers.shop.mandatory: found "yes"; allowed true or false\n'
            "s.yaml:12: publishers.shop.users: found 0; allowed a whole number of users from 1 to 100000"
        ),
    ),
    "undeclared exchange": (
        changed("{exchange: orders, routing_key: a, m", "{exchange: ordres, routing_key: a, m"),
        (
            's.yaml:12: publishers.shop.exchange: found the undeclared exchange "ordres"; '
            'allowed an exchange of topology.exchanges, or the broker\'s own; did you mean "orders"?'
        ),
    ),
    "misspelt exchange of the broker": (
        changed("{exchange: orders, routing_key: a, m", "{exchange: amq.fanuot, routing_key: a, m"),
        (
            's.yaml:12: publishers.shop.exchange: found the undeclared exchange "amq.fanuot"; '
            'allowed an exchange of topology.exchanges, or the broker\'s own; did you mean "amq.fanout"?'
        ),
    ),
    "internal exchange": (
        changed("{exchange: orders, routing_key: a, m", "{exchange: hidden, routing_key: a, m"),
        (
            's.yaml:12: publishers.shop.exchange: found the internal exchange "hidden"; '
            "allowed an exchange that clients may publish to"
        ),
    ),
    "default exchange without a key": (
        changed("{exchange: orders, routing_key: a, m", "{m"),
        "s.yaml:12: publishers.shop.routing_key: found nothing; allowed a queue's name, as the default exchange needs",
    ),
    "undeclared queue": (
        changed("{queue: work}", "{queue: wrok}"),
        (
            's.yaml:14: consumers.billing.queue: found the undeclared queue "wrok"; '
            'allowed a queue of topology.queues; did you mean "work"?'
        ),
    ),
    "no queue": (
        changed("{queue: work}", "{}"),
        "s.yaml:14: consumers.billing.queue: found nothing; allowed a queue's name, perhaps with %d",
    ),
    "routing key that is a number": (
        changed("routing_key: a, m", "routing_key: 111112, m"),
        (
            "s.yaml:12: publishers.shop.routing_key: found 111112, which is no text in YAML; "
            'allowed text, in quotes: "111112"'
        ),
    ),
    "acks out of reach": (
        billing("prefetch: 10, ack: every 50"),
        (
            's.yaml:14: consumers.billing.ack: found "every 50"; '
            "allowed at most every 10: with prefetch 10 no more come before an ack"
        ),
    ),
    "ack rule": (
        billing("ack: evry 3"),
        (
            's.yaml:14: consumers.billing.ack: found "evry 3"; '
            "allowed auto, none, or every N (1 to 65535), such as every 50"
        ),
    ),
    "share of no acks": (
        billing("nack: 1%, ack: auto"),
        "s.yaml:14: consumers.billing.nack: found a share with ack: auto; allowed beside ack: every N",
    ),
    "more than all refused": (
        billing("nack: 60%, reject: {share: 41%}, ack: every 1"),
        "s.yaml:14: consumers.billing.reject: found more than 100% together with nack; allowed 100% in all",
    ),
    "shares of two kinds": (
        billing("nack: 1%, reject: {share: 1%, of: messages}, ack: every 1"),
        's.yaml:14: consumers.billing.reject.of: found "messages"; allowed deliveries, as nack has it',
    ),
    "share of nothing": (
        billing("nack: 0%, ack: every 1"),
        (
            "s.yaml:14: consumers.billing.nack: found 0%; "
            "allowed a share above 0% and up to 100%, of four decimals at most"
        ),
    ),
    "share without its unit": (
        billing("nack: {share: 5}, ack: every 1"),
        "s.yaml:14: consumers.billing.nack.share: found 5; allowed a share in percent, such as 99.9%",
    ),
    "two distributions": (
        billing("processing_time: {exponential: {mean: 1ms}, uniform: {from: 1ms, to: 2ms}}"),
        (
            "s.yaml:14: consumers.billing.processing_time: found exponential beside uniform; "
            "allowed one of exponential, uniform, normal, lognormal"
        ),
    ),
    "bounds the wrong way round": (
        billing("processing_time: {uniform: {from: 3ms, to: 2ms}}"),
        (
            "s.yaml:14: consumers.billing.processing_time.uniform: found from that is longer than to; "
            "allowed from, then to"
        ),
    ),
    "sequence without count": (
        changed("part-%d: {count: 4}", "part-%d: {}"),
        "s.yaml:8: topology.queues.part-%d: found %d without count; allowed count: how many queues",
    ),
    "count without sequence": (
        changed("part-%d: {count: 4}", "part: {count: 4}"),
        "s.yaml:8: topology.queues.part.count: found 4 for a name without %d; allowed %d in the name, such as part-%d",
    ),
    "the same queue twice": (
        changed("part-%d: {count: 4}", "part-%d: {count: 4}\n    part-3: {}"),
        's.yaml:9: topology.queues.part-3: found the queue "part-3", which part-%d has too; allowed each queue once',
    ),
    "transient quorum queue": (
        changed("{durable: true}", "{durable: false, type: quorum, exclusive: true}"),
        (
            "s.yaml:7: topology.queues.work.durable: found false with type quorum; "
            "allowed true: no broker takes another\n"
            "s.yaml:7: topology.queues.work.exclusive: found true with type quorum; "
            "allowed false: no broker takes another\n"
            's.yaml:14: consumers.billing.queue: found the exclusive queue "work"; '
            "allowed a queue that is not: only the connection that declares an exclusive one may take from it"
        ),
    ),
    "stream": (
        changed("{durable: true}", "{type: stream}").replace("{queue: work}", "{queue: work, prefetch: 0}")
        + "getters:\n  taker: {queue: work, until: empty}\n",
        (
            "s.yaml:14: consumers.billing.ack: found auto on a stream; allowed every N\n"
            "s.yaml:14: consumers.billing.prefetch: found 0 on a stream; allowed 1 or more\n"
            's.yaml:16: getters.taker.queue: found the stream "work"; '
            "allowed a classic or quorum queue: streams have no Basic.Get"
        ),
    ),
    "reserved name": (
        changed("orders: {type: direct}", "amq.orders: {}\n    orders: {}"),
        (
            's.yaml:4: topology.exchanges."amq.orders": found a name that begins with amq., '
            "which brokers keep for their own; "
            ""
            "allowed another name, or passive: true"
        ),
    ),
    "exchange type": (
        changed("type: direct", "type: dirct"),
        (
            's.yaml:4: topology.exchanges.orders.type: found "dirct"; '
            'allowed direct, fanout, topic, headers, or a plugin\'s type x-…; did you mean "direct"?'
        ),
    ),
    "binding": (
        changed("queue: work, routing_key: a}", "queue: work, to_exchange: hiden, routing_key: key-%d}"),
        "s.yaml:10: topology.bindings[0]: found both queue and to_exchange; allowed one of queue and to_exchange",
    ),
    "binding of undeclared things": (
        changed(
            "{exchange: orders, queue: work, routing_key: a}",
            "{exchange: ordrs, to_exchange: hiden, routing_key: k-%d}",
        ),
        (
            's.yaml:10: topology.bindings[0].exchange: found the undeclared exchange "ordrs"; '
            'allowed an exchange of topology.exchanges, or the broker\'s own; did you mean "orders"?\n'
            's.yaml:10: topology.bindings[0].routing_key: found "k-%d" without a sequence of queues; '
            "allowed %d beside a queue with %d, whose count says how many\n"
            's.yaml:10: topology.bindings[0].to_exchange: found the undeclared exchange "hiden"; '
            'allowed an exchange of topology.exchanges, or the broker\'s own; did you mean "hidden"?'
        ),
    ),
    "too many queues": (
        changed("part-%d: {count: 4}", "part-%d: {count: 60000}\n    more-%d: {count: 60000}"),
        "s.yaml:6: topology.queues: found 120001 queues; allowed at most 100000 in all",
    ),
    "too many users": (
        GOOD + "".join(f"  group{n}: {{queue: work, users: 100000}}\n" for n in range(11)),
        f"s.yaml:1: scenario: found 1100002 users; allowed at most 100000 in all: {users_need(1_100_002)}",
    ),
    "policies": (
        changed("topology:\n", "topology:\n  policies: {ha: {pattern: .*}}\n"),
        "s.yaml:3: topology.policies: found a mapping; allowed {} only, as policies are not applied yet",
    ),
    "one name, two groups": (
        changed("  billing: {queue: work}", "  billing: {queue: work}\n  shop: {queue: work}"),
        "s.yaml:15: consumers.shop: found the name of a group in publishers; allowed a name that no other group has",
    ),
    "after an unknown group": (
        billing("after: shp"),
        's.yaml:14: consumers.billing.after: found the unknown group "shp"; allowed shop; did you mean "shop"?',
    ),
    "after itself": (
        shop("after: shop"),
        (
            "s.yaml:12: publishers.shop.after: found a circle: shop after shop; "
            "allowed an order in which every group begins"
        ),
    ),
    "after each other": (
        shop("after: billing").replace("queue: work}\n", "queue: work, messages: 1, after: shop}\n"),
        (
            "s.yaml:12: publishers.shop.after: found a circle: shop after billing after shop; "
            "allowed an order in which every group begins\n"
            "s.yaml:14: consumers.billing.after: found a circle: billing after shop after billing; "
            "allowed an order in which every group begins"
        ),
    ),
    "after what is never done": (
        shop("after: billing"),
        (
            's.yaml:12: publishers.shop.after: found "billing", which is never done before the run\'s end; '
            "allowed a group with messages, a rate in stages, or until: empty"
        ),
    ),
    "never ends": (
        changed("messages: 10", "rate: 5/s"),
        "s.yaml:12: publishers.shop: found no end; allowed messages, a rate in stages, or run.duration",
    ),
    "begins after the end": (
        shop("start_at: 10s") + "run: {duration: 8s, warm_up: 2s}\n",
        (
            "s.yaml:12: publishers.shop.start_at: found a time after the run's end; "
            "allowed less than run.warm_up and run.duration together"
        ),
    ),
    "nothing to do": (
        "name: t\n",
        "s.yaml:1: scenario: found no group; allowed a group of publishers, consumers or getters",
    ),
    "unknown variable": (
        "variables: {rate: 5/s}\n" + shop('rate: "${rte}"'),
        's.yaml:13: publishers.shop.rate: found the unknown variable "rte"; allowed rate; did you mean "rate"?',
    ),
    "list within a text": (
        "variables: {all: [a]}\n" + shop('body: {text: "x ${all}"}'),
        (
            "s.yaml:13: publishers.shop.body.text: found a list within a text, by ${all}; "
            "allowed text, a number, true or false"
        ),
    ),
    "unknown metric": (
        threshold("lots == 0"),
        f's.yaml:16: thresholds[0]: found the metric "lots"; allowed {TOTALS_AND_RATES}; did you mean "lost"?',
    ),
    "a total of the run alone": (
        threshold("shop.dead_lettered == 0"),
        (
            's.yaml:16: thresholds[0]: found dead_lettered of "shop", a group of publishers; '
            "allowed published, confirmed, nacked, returned, in_doubt, lost"
        ),
    ),
    "two nodes": (GOOD + "run: {nodes: 2}\n", "s.yaml:15: run.nodes: found 2; allowed 1, 3 or 5 nodes"),
    "unknown latency": (
        threshold("shop.confrim.p99 < 20ms"),
        (
            's.yaml:16: thresholds[0]: found the latency "confrim"; allowed confirm, confirm_uncorrected, end_to_end, '
            'end_to_end_uncorrected, get, lateness, connect; did you mean "confirm"?'
        ),
    ),
    "unknown statistic": (
        threshold("shop.confirm.p999 < 20ms"),
        (
            's.yaml:16: thresholds[0]: found the statistic "p999"; allowed min, mean, max, count, or p0 to p100; '
            'did you mean "p99.9"?'
        ),
    ),
    "limit without a unit": (
        threshold("shop.confirm.p99 < 20"),
        f's.yaml:16: thresholds[0]: found the limit "20"; allowed {DURATION}',
    ),
    "metric of another kind of group": (
        threshold("billing.confirm.p99 < 20ms"),
        (
            's.yaml:16: thresholds[0]: found confirm of "billing", a group of consumers; '
            "allowed end_to_end, end_to_end_uncorrected, connect"
        ),
    ),
    "threshold of an unknown group": (
        threshold("shp.published == 10"),
        's.yaml:16: thresholds[0]: found the unknown group "shp"; allowed shop, billing; did you mean "shop"?',
    ),
    "share of offered without an offered rate": (
        threshold("published_rate >= 99% of offered"),
        (
            "s.yaml:16: thresholds[0]: found an offered rate in the closed model; "
            "allowed a limit such as 2000/s, or publishers with a rate"
        ),
    ),
    "gauge that does not exist": (
        threshold("broker.memry.max < 1GB"),
        (
            's.yaml:16: thresholds[0]: found the gauge "broker.memry"; allowed broker.cpu, broker.memory, '
            "broker.disk_free, broker.memory_alarm, broker.disk_alarm, broker.connections, broker.flow, "
            'broker.blocked; did you mean "broker.memory"?'
        ),
    ),
    "gauge without a statistic": (
        threshold("queue.depth < 10"),
        (
            's.yaml:16: thresholds[0]: found the gauge "queue.depth" without a statistic; '
            "allowed queue.depth.STAT, such as queue.depth.max"
        ),
    ),
    "gauge with an unknown statistic": (
        threshold("queue.depth.maximum < 10"),
        (
            's.yaml:16: thresholds[0]: found the statistic "maximum"; allowed min, mean, max, or p0 to p100; '
            'did you mean "max"?'
        ),
    ),
    "gauge of an unknown queue": (
        threshold("queue.depth/wrok.max < 10"),
        's.yaml:16: thresholds[0]: found the unknown queue "wrok"; allowed part-%d, work; did you mean "work"?',
    ),
    "gauge that is not told by queue": (
        threshold("broker.memory/orders.max < 1GB"),
        (
            "s.yaml:16: thresholds[0]: found broker.memory of a queue, which is told as a whole; "
            "allowed queue.depth/QUEUE.STAT"
        ),
    ),
    "memory without a unit": (
        threshold("broker.memory.max < 1000"),
        (
            's.yaml:16: thresholds[0]: found the limit "1000"; '
            "allowed a size with its unit (B, KB, KiB, MB, MiB, GB, GiB, TB or TiB), such as 1GB"
        ),
    ),
    "part that a metric does not have": (
        threshold("lost == 0 in warm_up"),
        (
            "s.yaml:16: thresholds[0]: found lost in warm_up, which is known of the whole run only; "
            "allowed no part, or in run"
        ),
    ),
    "latency of the whole run": (
        threshold("shop.confirm.p99 < 20ms in run"),
        ("s.yaml:16: thresholds[0]: found a latency in run; allowed in measured, in warm_up or in stage N"),
    ),
    "warm-up that there is none of": (
        threshold("shop.confirm.p99 < 20ms in warm_up"),
        ("s.yaml:16: thresholds[0]: found warm_up of a run without a warm-up; allowed in measured, or a run.warm_up"),
    ),
    "stage that there is none of": (
        threshold("shop.confirm.p99 < 20ms in stage 1"),
        (
            "s.yaml:16: thresholds[0]: found stage 1; allowed in measured or warm_up: "
            "there are no stages that all agree on (a rate as a list, without after)"
        ),
    ),
    "abort by what may still come right": (
        threshold("{check: published >= 5, abort: true}"),
        (
            's.yaml:16: thresholds[0]: found abort by "published >= 5", which may still come to hold; '
            "allowed a limit from above"
        ),
    ),
    "abort by what is known at the end": (
        threshold("{check: lost == 0, abort: true}"),
        ("s.yaml:16: thresholds[0]: found abort by lost, which is known after the drain only; allowed another metric"),
    ),
    "after without abort": (
        threshold("{check: shop.confirm.p99 < 20ms, after: 3s}"),
        "s.yaml:16: thresholds[0]: found after without abort; allowed abort: true beside it",
    ),
    "entry with an unknown key": (
        threshold("{check: lost == 0, abrot: true}"),
        's.yaml:16: thresholds[0].abrot: found an unknown key; allowed abort, after, check; did you mean "abort"?',
    ),
    "entry without a check": (
        threshold("{abort: true}"),
        (
            "s.yaml:16: thresholds[0].check: found nothing; allowed METRIC OPERATOR LIMIT, "
            "such as shop.confirm.p99 < 20ms, published_rate >= 99.9% of offered, or lost == 0"
        ),
    ),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD.keys())
def test_each_fault_has_its_exact_message(text: str, expected: str) -> None:
    """A bad scenario is refused with where, what was found, what is allowed, and the near miss."""
    assert errors_of(text) == expected


def test_the_good_scenario_is_good() -> None:
    """The scenario that the bad ones are made from loads."""
    assert load_scenario("s.yaml", text=GOOD).scenario.name == "t"


@pytest.mark.parametrize("text", [text for text, _ in BAD.values()], ids=BAD.keys())
def test_each_line_has_the_one_form(text: str) -> None:
    """Every line of every error is FILE:LINE: PATH: found X; allowed Y, perhaps with a near miss."""
    form = re.compile(r"s\.yaml:[0-9]+: [^ ]+: found [^;]+; allowed [^;]+(; did you mean [^;]+\?)?")

    assert [line for line in errors_of(text).splitlines() if not form.fullmatch(line)] == []


def test_all_faults_come_at_once_by_line() -> None:
    """Errors of YAML, grammar, names and thresholds are reported together, in the order of the file."""
    text = (
        changed("type: direct", "type: dirct")
        .replace("part-%d: {count: 4}", "part-%d: {}")
        .replace("messages: 10", "mesages: 10")
        .replace("{queue: work}", "{queue: wrok}")
    ) + "thresholds:\n  - lots == 0\n  - shp.published == 1\nname: again\n"

    lines = errors_of(text).splitlines()

    assert [line.split(": ")[:2] for line in lines] == [
        ["s.yaml:4", "topology.exchanges.orders.type"],
        ["s.yaml:8", "topology.queues.part-%d"],
        ["s.yaml:12", "publishers.shop.mesages"],
        ["s.yaml:14", "consumers.billing.queue"],
        ["s.yaml:16", "thresholds[0]"],
        ["s.yaml:17", "thresholds[1]"],
        ["s.yaml:18", "name"],
    ]


OVERRIDES = {
    "no value": ("bad", 'scenario: found "bad"; allowed PATH=VALUE, such as run.duration=10s'),
    "no path": ("a..b=1", 'scenario: found "a..b=1"; allowed PATH=VALUE, such as run.duration=10s'),
    "unknown group": (
        "publishers.shp.rate=3/s",
        'publishers.shp: found nothing of that name; allowed shop; did you mean "shop"?',
    ),
    "unknown key": (
        "run.duraton=3s",
        (
            "run.duraton: found an unknown key; "
            "allowed connect_rate, drain, duration, nodes, reconnect, reconnect_for, seed, warm_up; "
            'did you mean "duration"?'
        ),
    ),
    "beyond a list": (
        "topology.bindings[4].queue=x",
        "topology.bindings[4]: found no such item; allowed a position from 0 to 0",
    ),
    "through a value": ("name.x=1", 'name: found "t"; allowed a mapping, to have x in it'),
    "bad value": ("run.duration=60", f"run.duration: found 60; allowed {DURATION}"),
    "bad YAML": (
        "run.duration=[",
        "run.duration: found no YAML (expected the node content, but found '<stream end>'); allowed YAML 1.2",
    ),
}


@pytest.mark.parametrize("override, expected", OVERRIDES.values(), ids=OVERRIDES.keys())
def test_a_bad_override_is_named_by_its_number(override: str, expected: str) -> None:
    """What `--set` gets wrong is reported as of --set:N, the N-th of them."""
    assert errors_of(GOOD, "run.seed=1", override) == f"--set:2: {expected}"


def test_faults_of_overrides_come_after_those_of_the_file() -> None:
    """Lines of the file come first, in their order, then overrides in theirs."""
    lines = errors_of(changed("name: t", "name: 5"), "run.seed=x", "run.duration=60").splitlines()

    assert [line.split(": ")[0] for line in lines] == ["s.yaml:1", "--set:1", "--set:2"]


def test_an_unknown_name_of_the_catalogue_has_a_near_miss() -> None:
    """A name that is neither file nor scenario says what there is and what was meant."""
    with pytest.raises(
        ScenarioError, match=r'^scenario: found "flood-100-direct"; allowed .* mean "flood-1000-direct"\?$'
    ):
        load_scenario("flood-100-direct")
