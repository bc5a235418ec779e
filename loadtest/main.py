"""
The locustfile: `locust -f loadtest/main.py --scenario NAME`.

A table of contents: which arguments Locust gets, which user it finds, which listeners drive the run. What happens in a
run is in locust_app/, run/ and clients/.
"""

from __future__ import annotations

from locust import User, events
from locust.argument_parser import get_parser

from loadtest.locust_app.command_line import add_arguments, check_command_line
from loadtest.locust_app.locust_run import LocustRun
from loadtest.streams import survive_streams


class ScenarioUser(User):
    """Stands for the users of the scenario, which are known only when it is chosen; never spawned itself."""


survive_streams()
locust_run = LocustRun()
for hook, listener in (
    (events.init_command_line_parser, add_arguments),
    (events.init, locust_run.on_init),
    (events.test_start, locust_run.on_test_start),
    (events.test_stopping, locust_run.on_test_stopping),
):
    hook.add_listener(listener)  # type: ignore[no-untyped-call]  # Locust's events are not typed

check_command_line(get_parser().parse_args())
