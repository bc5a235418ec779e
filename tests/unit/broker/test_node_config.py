"""`node_config`: the files and the environment of a private node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.broker.private import node_config
from loadtest.broker.private.ports import PortBlock
from loadtest.errors import UsageError
from loadtest.scenario.grammar.node_environment import shown_environment, variable_error


class FakeReservation:
    """What a block holds while it is reserved."""

    def close(self) -> None:
        """Do nothing."""


ARGUMENTS = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"
PORTS = PortBlock(25_000, FakeReservation())  # type: ignore[arg-type]


def test_listeners_by_default() -> None:
    """AMQP and the management API listen on the loopback address, on the block's ports."""
    assert node_config.render_listeners(["rabbitmq_management"], PORTS, "") == (
        "listeners.tcp.1 = 127.0.0.1:25001\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = 25010\n"
    )


def test_every_plugin_that_listens_gets_loopback() -> None:
    """Each plugin has a port of its own, and those that a plugin brings along have too."""
    rendered = node_config.render_listeners(["rabbitmq_web_mqtt", "rabbitmq_stream_management"], PORTS, "")

    assert "mqtt.listeners.tcp.1 = 127.0.0.1:25013" in rendered
    assert "web_mqtt.tcp.port = 25015" in rendered
    assert "stream.listeners.tcp.1 = 127.0.0.1:25012" in rendered
    assert "management.tcp.port = 25010" in rendered
    assert "prometheus" not in rendered


def test_tls_listener_only_if_asked_for() -> None:
    """A config with a TLS listener gets one, on the block's port for it."""
    assert "listeners.ssl.1 = 127.0.0.1:25002" in node_config.render_listeners(
        [], PORTS, "listeners.ssl.default = 5671"
    )
    assert "ssl" not in node_config.render_listeners([], PORTS, "# listeners.ssl.default = 5671\nlisteners.ssl = none")


def test_users_listeners_are_left_out() -> None:
    """Lines that say where to listen become comments, all others stay where they are."""
    config = (
        "channel_max = 7\nlisteners.tcp.default = 5672\n  management.tcp.port=15672\nmqtt.listeners.tcp.1 = 1883\n"
        "ssl_options.certfile = /c.pem\ndistribution.listener.interface = 0.0.0.0\n"
    )
    kept, left_out = node_config.without_listeners(config)

    assert kept.splitlines() == [
        "channel_max = 7",
        "# listeners.tcp.default = 5672",
        "#   management.tcp.port=15672",
        "# mqtt.listeners.tcp.1 = 1883",
        "ssl_options.certfile = /c.pem",
        "# distribution.listener.interface = 0.0.0.0",
    ]
    assert left_out == [
        "listeners.tcp.default = 5672",
        "management.tcp.port=15672",
        "mqtt.listeners.tcp.1 = 1883",
        "distribution.listener.interface = 0.0.0.0",
    ]


def test_secrets_are_replaced() -> None:
    """Values of keys that hold passwords are replaced, and only these."""
    config = "default_user = ann\ndefault_pass = s3cret\nssl_options.password = pw\nheartbeat = 10\nx.client_secret=z\n"

    assert node_config.without_secrets(config) == (
        "default_user = ann\ndefault_pass = ***\nssl_options.password = ***\nheartbeat = 10\nx.client_secret = ***\n"
    )


def test_secret_terms_are_replaced() -> None:
    """So are those of an advanced.config, an Erlang term."""
    config = '[{rabbit,[{default_pass, <<"s3cret">>},{heartbeat,10},{ssl_options,[{password,"pw"}]}]}].'

    assert node_config.without_secret_terms(config) == (
        '[{rabbit,[{default_pass, "***"},{heartbeat,10},{ssl_options,[{password, "***"}]}]}].'
    )


def test_setting() -> None:
    """As in RabbitMQ, the last line that sets a key holds."""
    config = "default_user = ann\n# default_user = bob\ndefault_user = cat \n"

    assert node_config.setting(config, "default_user", "guest") == "cat"
    assert node_config.setting(config, "default_pass", "guest") == "guest"


OWN = "default_user = u\ndefault_pass = p\n"
USERS = {
    "none": ("heartbeat = 10\n", OWN),
    "commented": ("# default_user = ann\n", OWN),
    "both": ("default_user = ann\ndefault_pass = x\n", ""),
    "user": ("default_user = ann\n", "default_pass = p\n"),
    "password": ("default_pass = x\n", ""),
    "other-keys": ("default_user_tags.administrator = true\ndefault_vhost = v\n", OWN),
    "advanced": ('[{rabbit, [{default_user, <<"ann">>}, {default_pass, <<"x">>}]}].', ""),
    "advanced-commented": ('[{rabbit, [% {default_user, <<"ann">>}\n]}].', OWN),
    "definitions": ("load_definitions = /etc/d.json\n", ""),
    "management-definitions": ("management.load_definitions = /etc/d.json\n", ""),
    "definitions-backend": ("definitions.import_backend = https\n", ""),
    "advanced-definitions": ('[{rabbit, [{load_definitions, "/etc/d.json"}]}].', ""),
}


@pytest.mark.parametrize("config, rendered", USERS.values(), ids=USERS.keys())
def test_user_of_a_node(config: str, rendered: str) -> None:
    """A node has a user and a password of its own, as far as its config, or the definitions it imports, have none."""
    assert node_config.render_user("u", "p", config) == rendered


def test_first_setting() -> None:
    """What an advanced.config says of the user wins, as in RabbitMQ."""
    config = 'default_user = ann\n[{rabbit, [ { default_user , <<"bob">> } ]}].'

    assert node_config.first_setting(config, "default_user", "guest") == "bob"
    assert node_config.first_setting(config, "default_vhost", "/") == "/"


def test_plugins_file() -> None:
    """The file is an Erlang list; a name that could not be a plugin's is refused before it is written."""
    assert (
        node_config.render_plugins(["rabbitmq_management", "rabbitmq_top"]) == "[rabbitmq_management,rabbitmq_top].\n"
    )
    with pytest.raises(UsageError, match="plugin 'Management'"):
        node_config.render_plugins(["Management"])


def test_environment_is_not_the_users() -> None:
    """What would configure another RabbitMQ of this user is not handed on; everything of the node is in its folder."""
    environ = {"PATH": "/bin", "RABBITMQ_NODENAME": "other", "ERL_EPMD_PORT": "4369", "HOME": "/home/ann", "LANG": "C"}
    rendered = node_config.node_environment(Path("/run/node"), "n1", PORTS, PORTS.epmd, environ)

    assert rendered["PATH"] == "/bin"
    assert rendered["LANG"] == "C"
    assert rendered["RABBITMQ_NODENAME"] == "n1@localhost"
    assert rendered["ERL_EPMD_PORT"] == "25003"
    assert rendered["RABBITMQ_DIST_PORT"] == "25004"
    assert {key for key, value in rendered.items() if value.startswith("/") and key != "PATH"} == {
        key for key, value in rendered.items() if value.startswith("/run/node")
    }


def test_membership() -> None:
    """A node alone says nothing of clusters; one of several tells the common name, and whom it joins."""
    assert node_config.render_membership(None, None) == ""
    assert node_config.render_membership("c", None) == "cluster_name = c\n"
    assert node_config.render_membership("c", "c-1") == (
        "cluster_name = c\ncluster_formation.classic_config.nodes.1 = c-1@localhost\n"
    )


def test_nobody_elses_cluster_is_joined() -> None:
    """What a config says of the cluster that it was made for is left out, and told."""
    kept, left_out = node_config.without_listeners(
        "cluster_formation.classic_config.nodes.1 = rabbit@prod\nheartbeat = 9"
    )

    assert kept == "# cluster_formation.classic_config.nodes.1 = rabbit@prod\nheartbeat = 9\n"
    assert left_out == ["cluster_formation.classic_config.nodes.1 = rabbit@prod"]


def test_what_a_node_is_told() -> None:
    """Its own arguments of Erlang stay, and come first; its tools are not told."""
    environ = {"LOADTEST_NODE_ENV": json.dumps({ARGUMENTS: "+S 1:1", "MALLOC_ARENA_MAX": "1"})}
    told = node_config.told_environment(environ)
    own = node_config.node_environment(Path("/run/node"), "n1", PORTS, PORTS.epmd, environ)
    rendered = node_config.server_environment(own, told)

    assert rendered == own | {ARGUMENTS: f"{own[ARGUMENTS]} +S 1:1", "MALLOC_ARENA_MAX": "1"}
    assert not {"LOADTEST_NODE_ENV", "MALLOC_ARENA_MAX"} & own.keys()
    assert node_config.told_environment({}) == {}


def test_what_a_node_sets_itself_is_refused() -> None:
    """All of it, but the arguments that are added to."""
    own = node_config.node_environment(Path("/run/node"), "n1", PORTS, PORTS.epmd, {})

    assert {name for name, value in own.items() if variable_error(name, value) is None} == {ARGUMENTS}


@pytest.mark.parametrize(
    "text, told",
    [
        pytest.param("+S 1:1", "LOADTEST_NODE_ENV: allowed a JSON object of texts", id="no JSON"),
        pytest.param('["a"]', "LOADTEST_NODE_ENV: allowed a JSON object of texts", id="a list"),
        pytest.param('{"a": 1}', "LOADTEST_NODE_ENV: allowed a JSON object of texts", id="a number"),
        pytest.param('{"RABBITMQ_NODE_PORT": "1"}', "RABBITMQ_NODE_PORT, which a private node sets", id="a port"),
        pytest.param('{"ERL_FLAGS": "-sname x"}', "-sname in ERL_FLAGS, which a private node sets", id="a name"),
        pytest.param('{"A=B": "x"}', "the name 'A=B'; allowed letters", id="no name"),
        pytest.param('{"A": "x\\ny"}', "a value of A with a line's end", id="two lines"),
    ],
)
def test_what_a_node_cannot_be_told(text: str, told: str) -> None:
    """Each in a sentence."""
    with pytest.raises(UsageError) as error:
        node_config.told_environment({"LOADTEST_NODE_ENV": text})

    assert told in str(error.value)


def test_secrets_of_a_nodes_environment() -> None:
    """Values whose names, or that themselves, tell a secret are not for results."""
    assert shown_environment(
        {"RABBITMQ_DEFAULT_PASS": "x", "MY_TOKEN": "x", "API_KEY": "x", "URL": "amqp://ann:x@h", "ERL_FLAGS": "+S 1:1"}
    ) == {
        "RABBITMQ_DEFAULT_PASS": "***",
        "MY_TOKEN": "***",
        "API_KEY": "***",
        "URL": "amqp://ann:***@h",
        "ERL_FLAGS": "+S 1:1",
    }
