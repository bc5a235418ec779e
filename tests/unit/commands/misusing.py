"""
A program: what command lines of `loadtest` and `locust` that cannot be used print, and their exit codes.

Apart from the tests' process, as importing Locust patches the standard library. It reads a JSON list of pairs (words,
environment) and prints a JSON list of triples (exit code, standard output, standard error).
"""

from __future__ import annotations

import locust.argument_parser  # first: it patches the standard library through gevent  # isort: skip

import contextlib
import io
import json
import os
import sys
import traceback

from loadtest import cli
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.locust_app.command_line import add_arguments, check_command_line


def run(words: list[str]) -> None:
    """Run a command line: of `locust`, as far as the end of the locustfile, or of `loadtest`."""
    if words[0] == "locust":
        parser = locust.argument_parser.get_empty_argument_parser(default_config_files=())
        locust.argument_parser.setup_parser_arguments(parser)  # type: ignore[no-untyped-call]
        add_arguments(parser)
        check_command_line(parser.parse_args(words[1:]))
        return
    sys.argv = ["loadtest", *words]
    cli.main()


def answer(words: list[str], environ: dict[str, str]) -> tuple[object, str, str]:
    """Return what came of it."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    before = dict(os.environ)
    os.environ.update(environ)
    code: object = "it ran"
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run(words)
        except SystemExit as end:
            code = end.code
        except BaseException:  # noqa: BLE001  # that is what is looked for
            code = traceback.format_exc()
    os.environ.clear()
    os.environ.update(before)
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
    return code, out.read(), err.read()


def no_broker(*_: object, **__: object) -> None:
    """Stand for the start of a private node: what comes so far was taken for good."""
    raise SystemExit("a private node would have been started")


if __name__ == "__main__":
    PrivateCluster.start = no_broker  # type: ignore[method-assign,assignment]
    json.dump([answer(words, environ) for words, environ in json.load(sys.stdin)], sys.stdout)
