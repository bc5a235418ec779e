"""
The start form of Locust's web page: the scenario decides how many users there are.

Wraps the handler of the start button: what is wrong with the scenario or the broker is shown in the form, before
anything starts. Knows Locust's web UI; what a run is comes in as a function.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from flask import jsonify, request
from werkzeug.datastructures import ImmutableMultiDict

from loadtest.errors import LoadTestError, UsageError
from loadtest.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from locust.web import WebUI

    Arm = Callable[[argparse.Namespace], int]

SWARM: Final = "locust.swarm"
INDEX: Final = "locust.index"
IDLE_STATES: Final = ("ready", "stopped")
# What Locust's form posts when nobody has touched the field, which it shows although users are the scenario's business.
UNTOUCHED_USERS: Final = "1"
# Users and their pace are the scenario's business, and the broker is named on the command line: these fields would only
# mislead. The scenario is what the form is about: its part is always open.
STYLE: Final = """<style>
.MuiFormControl-root:has(input[name=userCount], input[name=spawnRate], input[name=host]) { display: none }
.MuiAccordion-root:has([name=scenario]) .MuiCollapse-root { height: auto !important; visibility: visible !important }
</style>"""


def install_start_form(web_ui: WebUI, arm: Arm) -> None:
    """
    Have the start button prepare a run.

    Args:
        web_ui: Locust's web page, before it is served.
        arm: Gets the form as options, prepares the run and returns its number of users.
    """
    app = web_ui.app
    assert app is not None, "the init event comes after the app is made"
    original = app.view_functions[SWARM]

    def swarm() -> Any:
        runner = web_ui.environment.runner
        if runner is None or runner.state not in IDLE_STATES:
            return _refusal(web_ui, "A run is under way; stop it before starting another.")
        try:
            users = arm(_options(web_ui, request.form))
        except LoadTestError as error:
            return _refusal(web_ui, str(error))
        request.form = ImmutableMultiDict({"user_count": str(users), "spawn_rate": str(users)})
        return original()

    app.view_functions[SWARM] = swarm
    app.after_request(_add_style)


def _options(web_ui: WebUI, form: ImmutableMultiDict[str, str]) -> argparse.Namespace:
    """Return the command line's options with what the form says put over them."""
    options = argparse.Namespace(**vars(web_ui.environment.parsed_options))
    options.scenario = form.get("scenario") or options.scenario
    options.overrides = form.get("overrides", options.overrides)
    users = form.get("user_count", "")
    if users and not users.isdecimal():
        raise UsageError(f"user_count: found {users!r}; allowed a whole number of users")
    options.num_users = int(users) if users and users != UNTOUCHED_USERS else None
    options.spawn_rate = None
    options.run_time = form.get("run_time") or None
    return options


def _refusal(web_ui: WebUI, message: str) -> Response:
    return jsonify({"success": False, "message": redacted(message), "host": web_ui.environment.host})


def _add_style(response: Response) -> Response:
    if request.endpoint == INDEX and response.mimetype == "text/html":
        response.set_data(response.get_data(as_text=True).replace("</head>", STYLE + "</head>", 1))
    return response
