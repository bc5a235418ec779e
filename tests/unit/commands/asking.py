"""
A program: what is asked for by command lines of `loadtest run` and of `locust`, without running anything.

Apart from the tests' process, as importing Locust patches the standard library. It reads a JSON list of command lines
(lists of words after `loadtest run`) and prints a JSON list of what each asks for, by the ways of running.
"""

from __future__ import annotations

import locust.argument_parser  # first: it patches the standard library through gevent  # isort: skip

import contextlib
import json
import os
import sys
from dataclasses import fields
from typing import Any

from typer.testing import CliRunner
from werkzeug.datastructures import ImmutableMultiDict

from loadtest import cli
from loadtest.dashboard.start_form import form_options
from loadtest.locust_app import headless_run as running
from loadtest.locust_app.command_line import add_arguments
from loadtest.report.run import announce
from loadtest.run.option_table import arguments_of, run_options_of
from loadtest.run.run_options import RunOptions


class Taken(Exception):  # noqa: N818  # no error
    """The process would have become another."""


def locust_options(words: list[str]) -> Any:
    """Return what Locust's parser, with our arguments, makes of a command line; of no file and no environment."""
    parser = locust.argument_parser.get_empty_argument_parser(default_config_files=())
    locust.argument_parser.setup_parser_arguments(parser)  # type: ignore[no-untyped-call]
    add_arguments(parser)
    return parser.parse_args(words, env_vars={})


def shown(request: RunOptions) -> dict[str, str]:
    """Return a request as texts."""
    return {each.name: repr(getattr(request, each.name)) for each in fields(request) if each.name != "environ"}


def asked_by(words: list[str]) -> Any:
    """Return what `loadtest run` asks for: in this process, or of the `locust` that it would become, and its words."""
    taken: list[Any] = []

    def become(_: str, command: list[str], environ: dict[str, str]) -> None:
        of_locust = command[command.index("--headless") + 1 :]
        taken.append({"request": shown(run_options_of(locust_options(of_locust))), "environ": sorted(environ)})
        raise Taken

    def run(request: RunOptions) -> int:
        by_locust = run_options_of(locust_options(list(arguments_of(request))))
        taken.append({"request": shown(request), "by_locust": shown(by_locust)})
        return 0

    os.execve, running.run_scenario = become, run  # type: ignore[assignment]
    announce.check_json_file = lambda json_file: None
    with contextlib.suppress(Taken):
        result = CliRunner().invoke(cli.app, ["run", "steady-1kb", *words])
    return taken[0] if taken else {"error": f"{result.output}{result.exception}"}


def by_form(words: list[str]) -> dict[str, str]:
    """Return what a start from the web page with empty fields asks for, where `locust` was started with *words*."""
    return shown(run_options_of(form_options(locust_options(words), ImmutableMultiDict())))


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    answers = {
        "run": [asked_by(words) for words in asked["run"]],
        "form": [by_form(words) for words in asked["form"]],
        "locust": [shown(run_options_of(locust_options(words))) for words in asked["form"]],
    }
    json.dump(answers, sys.stdout)
