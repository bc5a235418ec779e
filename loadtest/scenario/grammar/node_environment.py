"""
Which variables of the environment may be told to the process of a private node, and how they are shown.

Knows names and values only; what a node is started with is `broker.node_config`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from loadtest.redaction import REDACTED, redacted_value

VARIABLE: Final = "LOADTEST_NODE_ENV"
"""Where a process finds what it is to tell its private nodes: a JSON object, so that none of it is its own."""

ERLANG_ARGUMENTS_NAME: Final = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"
"""What is told of it comes after what a private node is started with."""

SET_BY_THE_NODE: Final = frozenset(
    {
        "HOME",
        "RABBITMQ_NODENAME",
        "RABBITMQ_CONF_ENV_FILE",
        "RABBITMQ_CONFIG_FILE",
        "RABBITMQ_CONFIG_FILES",
        "RABBITMQ_ADVANCED_CONFIG_FILE",
        "RABBITMQ_MNESIA_BASE",
        "RABBITMQ_LOG_BASE",
        "RABBITMQ_PID_FILE",
        "RABBITMQ_ENABLED_PLUGINS_FILE",
        "RABBITMQ_GENERATED_CONFIG_DIR",
        "RABBITMQ_DIST_PORT",
        "RABBITMQ_CTL_DIST_PORT_MIN",
        "RABBITMQ_CTL_DIST_PORT_MAX",
        "ERL_EPMD_PORT",
        "ERL_EPMD_ADDRESS",
        "ERL_AFLAGS",
        "ERL_CRASH_DUMP_SECONDS",
        "RUNNING_UNDER_SYSTEMD",
        # The same by another name (RabbitMQ, docs/configure.md#supported-environment-variables).
        "RABBITMQ_NODE_PORT",
        "RABBITMQ_NODE_IP_ADDRESS",
        "RABBITMQ_MNESIA_DIR",
        "RABBITMQ_LOGS",
        "RABBITMQ_USE_LONGNAME",
        "RABBITMQ_ERLANG_COOKIE",
        "RABBITMQ_HOME",
        "RABBITMQ_ENABLED_PLUGINS",
    }
)
"""Names, ports and folders of a private node, and what keeps it on the loopback address."""

_SET_PREFIXES: Final = ("LOADTEST_", "LISTEN_", "NOTIFY_", "RABBITMQ_CTL_")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_MOST_CHARACTERS: Final = 4096
_IDENTITY_FLAG: Final = re.compile(r"(?:^|\s)-(name|sname|setcookie)(?=\s|$)")
_SECRET_NAME: Final = re.compile(r"pass(word|phrase|wd)?$|secret|cookie|token|(^|_)key$", re.IGNORECASE)


def variable_error(name: str, value: str) -> tuple[str, str] | None:
    """Return what was found and what is allowed, if a private node cannot be told a variable; None if it can."""
    if not _NAME.fullmatch(name):
        return f"the name {name[:40]!r}", "letters, digits and _ for the name of a variable"
    if name in SET_BY_THE_NODE or name.startswith(_SET_PREFIXES):
        return f"{name}, which a private node sets itself", "variables that do not say who or where it is"
    if "\0" in value or "\n" in value or len(value) > _MOST_CHARACTERS:
        return f"a value of {name} with a line's end, or too long", f"one line of at most {_MOST_CHARACTERS} characters"
    flag = _IDENTITY_FLAG.search(value) if _is_for_erlang(name) else None
    if flag is not None:
        return f"-{flag.group(1)} in {name}, which a private node sets itself", "other arguments of Erlang"
    return None


def shown_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables fit for results: a value of which the name, or the value itself, tells a secret is replaced."""
    return {name: REDACTED if _SECRET_NAME.search(name) else redacted_value(value) for name, value in variables.items()}


def _is_for_erlang(name: str) -> bool:
    return name.startswith("ERL_") or name.endswith("_ERL_ARGS") or name == "RABBITMQ_SERVER_START_ARGS"
