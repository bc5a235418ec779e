"""`boot`: what a node prints while it comes up, or refuses to. The outputs are those of RabbitMQ 3.10 and 4.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.broker.private import boot

FOLDER = Path("/state/nodes/n")
CONFIG = Path("/home/ann/my.conf")

# Lines are as long as the node makes them.
# ruff: noqa: E501
UNKNOWN_KEY = """\
2026-11-23 22:12:15.923113+00:00 [error] <0.132.0> You've tried to set no.such.key, but there is no setting with that name.
2026-11-23 22:12:15.952723+00:00 [error] <0.132.0> Error preparing configuration in phase transform_datatypes:
2026-11-23 22:12:15.952737+00:00 [error] <0.132.0>   - Conf file attempted to set unknown variable: no.such.key

BOOT FAILED
===========
Error during startup: {error,failed_to_prepare_configuration}

2026-11-23 22:12:16.955894+00:00 [error] <0.132.0>     supervisor: {local,rabbit_prelaunch_sup}
"""
SYNTAX = """\
2026-11-23 22:12:22.176741+00:00 [error] <0.132.0> Error parsing configuration:
2026-11-23 22:12:22.185674+00:00 [error] <0.132.0>   - Syntax error in /state/nodes/n/rabbitmq.conf after line 4 column 1, parsing incomplete
2026-11-23 22:12:22.186691+00:00 [error] <0.132.0>
2026-11-23 22:12:22.186691+00:00 [error] <0.132.0> BOOT FAILED
"""
LISTENER = """\
  ##  ##      RabbitMQ 3.10.8
  Starting broker...
BOOT FAILED
===========
Error during startup: {error,
                       {could_not_start_listener,"127.0.0.1",22999,
                        eaddrinuse}}
"""
REFUSALS = {
    "unknown-key": (
        UNKNOWN_KEY,
        (
            "You've tried to set no.such.key, but there is no setting with that name.; Error preparing configuration "
            "in phase transform_datatypes:; Conf file attempted to set unknown variable: no.such.key"
        ),
    ),
    "syntax": (
        SYNTAX,
        "Error parsing configuration:; Syntax error in /home/ann/my.conf after line 4 column 1, parsing incomplete",
    ),
    "listener": (
        LISTENER,
        'Error during startup: {error, {could_not_start_listener,"127.0.0.1",22999, eaddrinuse}}',
    ),
    "no-erlang": (
        "/usr/lib/rabbitmq/bin/rabbitmq-server: 1: erl: not found\n",
        "/usr/lib/rabbitmq/bin/rabbitmq-server: 1: erl: not found",
    ),
}


@pytest.mark.parametrize("output, words", REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal_is_in_the_nodes_words(output: str, words: str) -> None:
    """A refused boot is one line in the node's own words, which name the user's file and not our copy of it."""
    assert boot.refusal(output, FOLDER, CONFIG) == words


def test_refusal_is_bounded() -> None:
    """A crash report of pages is cut."""
    assert len(boot.refusal("x" * 100_000, FOLDER, None)) <= 401


def test_version_and_completion() -> None:
    """The banner has the version; the boot is complete when the node counts its plugins."""
    assert boot.broker_version(LISTENER) == "3.10.8"
    assert boot.broker_version("  ##  ##      RabbitMQ 4.0.5\n") == "4.0.5"
    assert boot.broker_version("") is None
    assert not boot.has_started(LISTENER)
    assert boot.has_started("  Starting broker... completed with 3 plugins.\n")


def test_started_plugins() -> None:
    """The log lists the plugins that were started; without that line nothing is known."""
    log = (
        "2026-11-23 22:31:05.318744+00:00 [info] <0.666.0> Server startup complete; 2 plugins started.\n"
        "2026-11-23 22:31:05.318744+00:00 [info] <0.666.0>  * rabbitmq_management\n"
        "2026-11-23 22:31:05.318744+00:00 [info] <0.666.0>  * rabbitmq_web_dispatch\n"
        "2026-11-23 22:31:05.328182+00:00 [info] <0.780.0> accepting AMQP connection <0.780.0>\n"
    )

    assert boot.started_plugins(log) == ["rabbitmq_management", "rabbitmq_web_dispatch"]
    assert boot.started_plugins("2026-11-23 [info] <0.1.0> something else\n") is None
