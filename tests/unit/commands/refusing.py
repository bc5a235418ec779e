"""
A program: what is said of Locust's options, without running anything.

Apart from the tests' process, as importing Locust patches the standard library. It reads a JSON list of command lines
(lists of words after `locust -f loadtest/main.py`) and prints what each is refused with, and Locust's own options.
"""

from __future__ import annotations

import locust.argument_parser  # first: it patches the standard library through gevent  # isort: skip

import json
import sys
from typing import Any

from loadtest.errors import UsageError
from loadtest.locust_app.command_line import add_arguments
from loadtest.locust_app.locust_options import check_options, own_master, starts_workers
from loadtest.run.option_table import OPTIONS

OWN_PORT = 5557  # what Locust's parser leaves in both options if neither is given


def options_of_locust() -> list[str]:
    """Return the flags of Locust's own options, the longest name of each."""
    parser = locust.argument_parser.get_empty_argument_parser(default_config_files=())
    locust.argument_parser.setup_parser_arguments(parser)  # type: ignore[no-untyped-call]
    return [max(action.option_strings or [action.dest], key=len) for action in parser._actions]


def refused(words: list[str]) -> str | None:
    """Return what a command line is refused with; None where it is not."""
    parser = locust.argument_parser.get_empty_argument_parser(default_config_files=())
    locust.argument_parser.setup_parser_arguments(parser)  # type: ignore[no-untyped-call]
    add_arguments(parser)
    options: Any = parser.parse_args(words, env_vars={})
    try:
        check_options(options)
        if starts_workers(options):
            own_master(options, OWN_PORT)
    except UsageError as error:
        return str(error)
    return None


if __name__ == "__main__":
    answers = [refused(words) for words in json.load(sys.stdin)]
    ours = {option.flag for option in OPTIONS if option.argument is not None}
    json.dump({"refused": answers, "options": sorted({*options_of_locust()} - ours)}, sys.stdout)
