"""
Runs a scenario in a process whose standard library gevent has patched, as it is under Locust.

`client: blocking` needs that, and the process of the tests must not have it. Reads the scenario from standard input.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

# What follows must find the patched library.
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402
import pika  # noqa: E402

from loadtest.broker.endpoint import Endpoint  # noqa: E402
from tests.broker.clients.load_run import LoadRun  # noqa: E402


def delete_later(load_run: LoadRun, method: str, name: str) -> None:
    """Delete a thing while the run is under way."""
    gevent.sleep(0.3)
    connection = pika.BlockingConnection(load_run.endpoint.pika_parameters())
    getattr(connection.channel(), method)(name)
    connection.close()


def main() -> None:
    """Run, and print what came of it as JSON; arguments: URL, and what is deleted meanwhile (method, name)."""
    url, *delete = sys.argv[1:]
    with LoadRun(Endpoint.parse(url), sys.stdin.read()) as load_run:
        load_run.run.nodes = [Endpoint.parse(os.environ["USERS_URL"]).pika_parameters()]
        result = load_run.perform(meanwhile=(lambda run: delete_later(run, *delete)) if delete else None)
    report = {
        "totals": result.totals.model_dump(),
        "left": result.ledger.left,
        "balanced": result.ledger.balanced,
        "exit_code": result.verdict.exit_code,
        "events": load_run.events(),
    }
    sys.stdout.write(json.dumps(report))


main()
