"""
What Locust's start button does: the scenario that the form names is prepared, or the form shows why it cannot be.

Wraps the handler of the button, which Locust's page, and anybody with curl, posts to. Knows Locust's web UI; what a run
is comes in as a function.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING, Any, Final

from flask import jsonify, request
from werkzeug.datastructures import ImmutableMultiDict

from loadtest.errors import LoadTestError, UsageError
from loadtest.redaction import redacted
from loadtest.scenario import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from locust.web import WebUI

    Arm = Callable[[argparse.Namespace], int]

SWARM: Final = "locust.swarm"
STOP: Final = "locust.stop"
IDLE_STATES: Final = ("ready", "stopped")
STATISTICS: Final = "locust.request_stats"
PASSING_STATES: Final = ("stopping", "cleanup")
"""On the way to `stopped`. Locust's page, which asks only while a run goes on, would never hear of that."""


def install_start_form(web_ui: WebUI, arm: Arm) -> None:
    """
    Have the start button prepare a run.

    Args:
        web_ui: Locust's web page, before it is served.
        arm: Gets the form as options, prepares the run and returns its number of users.
    """
    app = web_ui.app
    assert app is not None, "the init event comes after the app is made"
    original, original_stop = app.view_functions[SWARM], app.view_functions[STOP]
    is_preparing = False

    @web_ui.auth_required_if_enabled
    def swarm() -> Any:
        nonlocal is_preparing
        runner = web_ui.environment.runner
        given: Any = web_ui.environment.parsed_options
        if is_preparing:
            return _refusal(web_ui, "A run is being prepared; it starts in a moment.")
        if runner is None or runner.state not in IDLE_STATES:
            return _refusal(web_ui, "A run is under way; stop it before starting another.")
        is_preparing = True
        try:
            users = arm(form_options(given, request.form))
            request.form = ImmutableMultiDict({"user_count": str(users), "spawn_rate": str(users)})
            return original()
        except LoadTestError as error:
            return _refusal(web_ui, as_the_form_says(str(error), len(given.set)))
        finally:
            is_preparing = False

    @web_ui.auth_required_if_enabled
    def stop() -> Any:
        if is_preparing:  # there are no users yet that Locust could end
            return _refusal(web_ui, "A run is being prepared; stop it when it has started.")
        return original_stop()

    app.view_functions[SWARM] = swarm
    app.view_functions[STOP] = stop
    app.after_request(_hold_state)


def _hold_state(response: Response) -> Response:
    """Have a run go on, for Locust's page, until it has stopped: a master waits for its workers."""
    if request.endpoint == STATISTICS and response.is_json:
        told = response.get_json()
        if told.get("state") in PASSING_STATES:
            response.set_data(json.dumps({**told, "state": "running"}))
    return response


def form_options(given: Any, form: ImmutableMultiDict[str, str]) -> argparse.Namespace:
    """
    Return the command line's options with what the form says put over them; what is empty there is left to them.

    Args:
        given: The options of the command line.
        form: `scenario`, `broker` (URLs), `overrides`, `user_count`, `spawn_rate`, `run_time`.

    Raises:
        UsageError: If the scenario is none of the catalogue, or users or their pace are no numbers.
    """
    options = argparse.Namespace(**vars(given))
    options.scenario = _scenario(_field(form, "scenario") or given.scenario, given.scenario)
    options.overrides = _overrides(form["overrides"]) if "overrides" in form else options.overrides
    options.broker = _field(form, "broker").split() or options.broker
    options.num_users = _users(_field(form, "user_count"))
    options.spawn_rate = _rate(_field(form, "spawn_rate"))
    options.run_time = _field(form, "run_time") or None
    return options


def _scenario(name: str, of_the_command_line: str) -> str:
    """Return a scenario that may be run from the page: any file would let whoever uses it read this machine's."""
    names = [entry.name for entry in catalogue()]
    if name != of_the_command_line and name not in names:
        allowed = ", ".join(dict.fromkeys([of_the_command_line, *names]))
        raise UsageError(
            f"scenario: found {name!r}; allowed {allowed}; a file is named by --scenario on the command line"
        )
    return name


def as_the_form_says(message: str, of_the_command_line: int) -> str:
    """
    Return *message* with overrides named by their number in the form, where they stand below each other.

    Args:
        message: Which numbers those of the command line and of the form in one, as `--set:4`.
        of_the_command_line: How many of them are the command line's.
    """

    def named(match: re.Match[str]) -> str:
        number = int(match[1]) - of_the_command_line
        return f"override {number}" if number > 0 else match[0]

    return re.sub(r"^--set:(\d+)", named, message, flags=re.MULTILINE)


def _field(form: ImmutableMultiDict[str, str], name: str) -> str:
    return str(form.get(name, "")).strip()


def _overrides(text: str) -> str:
    """Return overrides that stand on lines of their own as the command line has them: with semicolons between."""
    return "; ".join(filter(None, (line.strip().rstrip(";") for line in text.splitlines())))


def _users(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal() and int(text)):
        raise UsageError(
            f"user_count: found {text!r}; allowed a whole number of users, or nothing: as the scenario says"
        )
    return int(text) if text else None


def _rate(text: str) -> float | None:
    try:
        rate = float(text) if text else None
    except ValueError:
        rate = 0.0
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError(f"spawn_rate: found {text!r}; allowed users a second, or nothing: as the scenario says")
    return rate


def _refusal(web_ui: WebUI, message: str) -> Response:
    return jsonify({"success": False, "message": redacted(message), "host": web_ui.environment.host})
