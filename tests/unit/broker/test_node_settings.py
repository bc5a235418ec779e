"""What is taken from the answers of nodes about their own settings: recorded ones of RabbitMQ 3.10.8 and 4.0.5."""

from __future__ import annotations

from loadtest.broker.private.node_settings import parse_flags, parse_settings

OWN = {"/nodes/run-4a5e79be": "FOLDER", "run-4a5e79be@localhost": "NODE", "29501": "PORT+1"}
OTHER = {"/nodes/run-bf4c9a02": "FOLDER", "run-bf4c9a02@localhost": "NODE", "26541": "PORT+1"}
SAID = """\
rabbit heartbeat 60
rabbit tcp_listeners [{"127.0.0.1",29501}]
rabbit data_dir "/nodes/run-4a5e79be/data/run-4a5e79be@localhost"
rabbit default_pass <<"guest-of-one">>
kernel logger [{handler,default,logger_std_h,#{formatter => x}}]
osiris limits #{a => 1,b => 2}
erlang schedulers_online 2
rabbitmq_shovel uri_password <<"hunter2">>
cluster nodes 1
"""
BEAM = ["/usr/lib/erlang/bin/beam.smp", "-W", "w", "-sbwt", "medium", "-sbwt", "none", "--", "-root", "/usr/lib/erlang"]


def test_nodes_started_alike_report_the_same() -> None:
    """Ports, folders and names are of one node alone, and Erlang prints the keys of a map in any order."""
    of_other = SAID.replace("run-4a5e79be", "run-bf4c9a02").replace("29501", "26541").replace("guest-of-one", "other")
    of_other = of_other.replace("a => 1,b => 2", "b => 2,a => 1")
    found = parse_settings(SAID, OWN)

    assert found == parse_settings(of_other, OTHER)
    assert found["rabbit heartbeat"] == "60"
    assert found["cluster nodes"] == "1"
    assert "hunter2" not in str(found)


def test_what_a_node_does_otherwise_is_seen() -> None:
    """One setting, one secret, one more processor: each is a difference."""
    base = parse_settings(SAID, OWN)
    for before, after in (("heartbeat 60", "heartbeat 10"), ("hunter2", "hunter3"), ("_online 2", "_online 1")):
        assert parse_settings(SAID.replace(before, after), OWN) != base


def test_flags_of_the_emulator() -> None:
    """The last of a flag counts; what the node itself reports, and where it was started, is left out."""
    base = parse_flags([*BEAM, "--", "-noshell"], {"rabbit"}, OWN)

    assert base == {"flag W": "w", "flag sbwt": "none", "flag noshell": ""}
    assert parse_flags([*BEAM, "-S", "2:2", "-rabbit", "heartbeat", "60", "-noshell"], {"rabbit"}, OWN) == base
    assert parse_flags([*BEAM, "-K", "true", "-noshell"], {"rabbit"}, OWN) == base | {"flag K": "true"}
