"""
What a private node is started with: its files and its environment, as text.

Starts nothing. The user's configuration comes first and the listeners last, so that whatever it says the node listens
on the loopback address, on ports of its own. Files: docs/configure.md of RabbitMQ; environment: its
docs/configure.md#supported-environment-variables and rabbitmq.md, section 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from loadtest.broker.private.ports import LOOPBACK, PortBlock
from loadtest.broker.private.run_folder import MARKER
from loadtest.errors import UsageError
from loadtest.scenario.grammar.node_environment import ERLANG_ARGUMENTS_NAME, VARIABLE, variable_error

HOST: Final = "localhost"
"""What stands after the @ in a node's name."""

DEFAULT_PLUGINS: Final = ("rabbitmq_management",)
MANAGEMENT: Final = "rabbitmq_management"
PROMETHEUS: Final = "rabbitmq_prometheus"

# Plugins that listen, in the order of their ports, with the keys that say where; by default they would listen on
# every address.
_LISTENERS: Final[Mapping[str, Sequence[str]]] = {
    MANAGEMENT: ("management.tcp.ip = {ip}", "management.tcp.port = {port}"),
    PROMETHEUS: ("prometheus.tcp.ip = {ip}", "prometheus.tcp.port = {port}"),
    "rabbitmq_stream": ("stream.listeners.tcp.1 = {ip}:{port}",),
    "rabbitmq_mqtt": ("mqtt.listeners.tcp.1 = {ip}:{port}",),
    "rabbitmq_stomp": ("stomp.listeners.tcp.1 = {ip}:{port}",),
    "rabbitmq_web_mqtt": ("web_mqtt.tcp.ip = {ip}", "web_mqtt.tcp.port = {port}"),
    "rabbitmq_web_stomp": ("web_stomp.tcp.ip = {ip}", "web_stomp.tcp.port = {port}"),
}
_BRINGS: Final[Mapping[str, Sequence[str]]] = {
    "rabbitmq_federation_management": (MANAGEMENT,),
    "rabbitmq_shovel_management": (MANAGEMENT,),
    "rabbitmq_stream_management": (MANAGEMENT, "rabbitmq_stream"),
    "rabbitmq_top": (MANAGEMENT,),
    "rabbitmq_tracing": (MANAGEMENT,),
    "rabbitmq_web_mqtt": ("rabbitmq_mqtt",),
    "rabbitmq_web_stomp": ("rabbitmq_stomp",),
}

_LISTENER_KEY: Final = re.compile(
    r"""^\s*( ((mqtt|stomp|stream)\.)?listeners\.(tcp|ssl)\b
            | (management|prometheus|web_mqtt|web_stomp)\.(tcp|ssl|listener)\.(ip|port)\b
            | distribution\.listener\.
            | cluster_formation\. )""",
    re.VERBOSE,
)
_TLS_LISTENER: Final = re.compile(r"^\s*listeners\.ssl\.\w+\s*=", re.MULTILINE)
_SETTING: Final = re.compile(r"^[ \t]*(?P<key>[\w.$-]+)[ \t]*=[ \t]*(?P<value>.*?)[ \t]*$", re.MULTILINE)
_TERM_COMMENT: Final = re.compile(r"%.*")
_DEFINITIONS: Final = re.compile(
    r"^\s*((management\.)?load_definitions|definitions\.\w+)\b[^=]*=|\{\s*(load_definitions|definitions)\s*,",
    re.MULTILINE,
)
_SECRET_KEY: Final = re.compile(r"pass(word|phrase|wd)?$|secret|cookie|token", re.IGNORECASE)
_SECRET_TERM: Final = re.compile(r"\{\s*(\w*(?:pass|secret|cookie|token)\w*)\s*,[^{}]*\}", re.IGNORECASE)

# Much of a node's boot is reading code from files, by the dirty I/O schedulers: if these spin for a moment before
# they sleep, 3.10 is up in 3.0 s instead of 5.0. The broker's CPU at 1,000 persistent messages a second does not
# tell the two apart (8 to 11 % of a core in both). RabbitMQ's own switch, `short` for all schedulers, takes 2.1 s
# but 25 to 39 %.
ERLANG_ARGUMENTS: Final = "+sbwtdio very_short"


def listening_plugins(plugins: Iterable[str]) -> dict[str, int]:
    """Return which of *plugins*, and of those that they bring along, listen, with the index of their port."""
    asked = set(plugins)
    while more := {brought for plugin in asked for brought in _BRINGS.get(plugin, ())} - asked:
        asked |= more
    return {plugin: index for index, plugin in enumerate(_LISTENERS) if plugin in asked}


def render_listeners(plugins: Sequence[str], ports: PortBlock, user_config: str, *, tls: bool = False) -> str:
    """Return the part of the configuration that says where to listen, for TLS if asked, or if *user_config* does."""
    lines = [f"listeners.tcp.1 = {LOOPBACK}:{ports.amqp}"]
    if tls or has_tls_listener(user_config):
        lines.append(f"listeners.ssl.1 = {LOOPBACK}:{ports.amqps}")
    for plugin, index in listening_plugins(plugins).items():
        lines += [line.format(ip=LOOPBACK, port=ports.of_plugin(index)) for line in _LISTENERS[plugin]]
    return "\n".join([*lines, ""])


def has_tls_listener(config: str) -> bool:
    """Return whether *config* asks for AMQP over TLS."""
    return _TLS_LISTENER.search(config) is not None


def without_listeners(config: str) -> tuple[str, list[str]]:
    """
    Return *config* with each line that says where to listen, or whom to join, made a comment, and those lines.

    So the line numbers stay.
    """
    left_out = [line.strip() for line in config.splitlines() if _LISTENER_KEY.match(line)]
    kept = [f"# {line}" if _LISTENER_KEY.match(line) else line for line in config.splitlines()]
    return "\n".join([*kept, ""]), left_out


def setting(config: str, key: str, default: str) -> str:
    """Return the last value of *key* in a rabbitmq.conf."""
    return next((found["value"] for found in reversed(list(_SETTING.finditer(config))) if found["key"] == key), default)


def first_setting(config: str, key: str, default: str) -> str:
    """Return `default_user` or its like, of a rabbitmq.conf or of an advanced.config, which has the last word."""
    terms = re.findall(rf"\{{\s*{key}\s*,\s*<<\"([^\"]*)\">>\s*\}}", _TERM_COMMENT.sub("", config))
    return terms[-1] if terms else setting(config, key, default)


def render_user(user: str, password: str, user_config: str) -> str:
    """
    Return the part of the configuration that says who may use the node, as far as *user_config* does not.

    A node makes this user at its first start, instead of `guest`, whose password everybody knows; unless it imports
    definitions, which have users of their own (docs/definitions.md of RabbitMQ: then there is no default user).
    """
    if not user or _DEFINITIONS.search(user_config):
        return ""
    named, known = (bool(first_setting(user_config, key, "")) for key in ("default_user", "default_pass"))
    # A password without a name is meant for RabbitMQ's own name.
    lines = [f"default_user = {user}"] if not (named or known) else []
    lines += [f"default_pass = {password}"] if not known else []
    return "".join(f"{line}\n" for line in lines)


def without_secrets(config: str) -> str:
    """Return a rabbitmq.conf with the values of keys that hold passwords and the like replaced, fit for results."""
    return _SETTING.sub(lambda found: f"{found['key']} = ***" if _SECRET_KEY.search(found["key"]) else found[0], config)


def without_secret_terms(config: str) -> str:
    """Return an advanced.config likewise: `{default_pass, <<"…">>}` and its like."""
    return _SECRET_TERM.sub(r'{\1, "***"}', config)


def render_plugins(plugins: Sequence[str]) -> str:
    """
    Return the file of enabled plugins, an Erlang list.

    Raises:
        UsageError: If a name could not be a plugin's.
    """
    for plugin in plugins:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", plugin):
            raise UsageError(f"plugin {plugin!r}: a plugin's name is lower-case letters, digits and _")
    return f"[{','.join(plugins)}].\n"


def render_membership(cluster: str | None, seed: str | None) -> str:
    """
    Return the part of the configuration that is of the cluster, if there is one: its name, and whom to join.

    Without a name each node would call the cluster by its own, until somebody gives it one. *seed* is the node that is
    joined at the first start.
    """
    lines = [f"cluster_name = {cluster}"] if cluster is not None else []
    lines += [f"cluster_formation.classic_config.nodes.1 = {seed}@{HOST}"] if seed is not None else []
    return "".join(f"{line}\n" for line in lines)


def node_environment(
    folder: Path, name: str, ports: PortBlock, epmd_port: int, environ: Mapping[str, str]
) -> dict[str, str]:
    """
    Return the environment for a node in *folder*: *environ* without what would configure RabbitMQ or Erlang otherwise.

    Not `RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS` but `ERL_AFLAGS` keeps the distribution on the loopback address: a
    helper `erl` that boots first heeds only the latter. `RUNNING_UNDER_SYSTEMD` makes the script exec: its pid is the
    node's and its exit code true.
    """
    foreign = ("RABBITMQ_", "ERL_", "LISTEN_", "NOTIFY_SOCKET", VARIABLE)
    return {key: value for key, value in environ.items() if not key.startswith(foreign)} | {
        "HOME": str(folder),
        MARKER: str(folder),
        "RABBITMQ_NODENAME": f"{name}@{HOST}",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d" / "*.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_CTL_DIST_PORT_MIN": str(ports.ctl[0]),
        "RABBITMQ_CTL_DIST_PORT_MAX": str(ports.ctl[1]),
        ERLANG_ARGUMENTS_NAME: ERLANG_ARGUMENTS,
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def told_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """
    Return what *environ* says that private nodes are to be told, and nobody else.

    Raises:
        UsageError: If it cannot be read, or a node sets such a variable itself.
    """
    text = environ.get(VARIABLE, "")
    if not text:
        return {}
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise UsageError(f'{VARIABLE}: allowed a JSON object of texts, such as {{"{ERLANG_ARGUMENTS_NAME}": "+S 1:1"}}')
    for name, value in told.items():
        fault = variable_error(name, value)
        if fault is not None:
            raise UsageError(f"{VARIABLE}: found {fault[0]}; allowed {fault[1]}")
    return told


def server_environment(environ: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a node's server: *environ* as of `node_environment`, and what it is told besides."""
    more = {
        name: f"{environ[name]} {value}" if name == ERLANG_ARGUMENTS_NAME else value for name, value in told.items()
    }
    return {**environ, **more}
