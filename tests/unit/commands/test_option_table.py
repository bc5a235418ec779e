"""Each option of a run arrives in its request by every way of running, as the lists of the commands themselves say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from loadtest import cli
from loadtest.errors import UsageError
from loadtest.run.option_table import OPTIONS, seconds_of
from loadtest.run.run_options import RunOptions

RUN: Any = typer.main.get_group(cli.app).commands["run"]
OF_THE_COMMAND = sorted(str(param.name) for param in RUN.params if param.name not in {"scenario", "processes"})
# Values that tell a reader of texts from one that guesses: signs of other options, huge and small numbers, spaces.
VALUES: Final = {
    "overrides": "-x.y=[1, 2]; z",
    "threshold": "-in.confirm.p99 < 1ms",
    "broker": "amqp://a:b%2F@h:1/v",
    "users": "99999",
    "connect_rate": "1000000",
    "run_time": "300h",
    "results": "-out of the way",
    "server": "/opt/a b",
    "config": "-my.conf",
    "plugin": "rabbitmq_stream",
    "nodes": "3",
    "on_worker_lost": "continue",
    "json_file": "-",
    "prometheus_port": "0",
    "prometheus_host": "::1",
    "prometheus_linger": "300h",
}
NAMES: Final = {
    "threshold": "thresholds",
    "broker": "brokers",
    "connect_rate": "connect_rate_per_s",
    "plugin": "plugins",
    "run_time": "run_time_s",
    "prometheus_linger": "prometheus_linger_s",
}
"""What a part of the request is called, where its option is called otherwise."""
OF_LOCUST: Final = {
    "scenario": "topic-routing",
    "on_worker_lost": "continue",
    "prometheus_port": "0",
    "nodes": "3",
    "prometheus_linger_s": "5s",
    "users": "5",
    "connect_rate_per_s": "5",
    "run_time_s": "5s",
}
OTHERS: Final = {"LOCUST_USERS": "7", "LOCUST_PROCESSES": "9", "LOADTEST_OVERRIDES": "run.seed=3", "LOCUST_CONFIG": "x"}


def words_of(name: str) -> list[str]:
    """Return an option of `loadtest run` as it is typed, with a value of its own; all of them for `all`."""
    if name == "all":
        return [word for each in (*OF_THE_COMMAND, "plugin") for word in words_of(each)]
    (param,) = (param for param in RUN.params if param.name == name)
    flag = max(param.opts, key=len)
    return [flag] if param.is_flag else [f"{flag}={VALUES[name]}"]


def locust_word(option: Any) -> str:
    """Return an option of `locust` as it is typed."""
    return option.flag if option.name == "tls" else f"{option.flag}={OF_LOCUST.get(option.name, 'a')}"


NAMED: Final = ["none", "all", *OF_THE_COMMAND]


@pytest.fixture(scope="module")
def asked() -> Any:
    """Return what all ways of running ask for, by options; a process that imports Locust has found out."""
    typed = [[] if name == "none" else words_of(name) for name in NAMED]
    spread = [[*words, "--processes", "2"] for words in typed]
    lines = {"run": [*typed, *spread], "form": [[], *([locust_word(option)] for option in OPTIONS)]}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("asking.py")],
        input=json.dumps(lines), capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "LOADTEST_STATE_DIR": "/tmp/x"} | OTHERS,  # noqa: S108
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    options = ["none", *(option.name for option in OPTIONS)]
    return {
        "alone": dict(zip(NAMED, answers["run"], strict=False)),
        "spread": dict(zip(NAMED, answers["run"][len(NAMED) :], strict=True)),
        "form": dict(zip(options, answers["form"], strict=True)),
        "locust": dict(zip(options, answers["locust"], strict=True)),
    }


@pytest.mark.parametrize("name", OF_THE_COMMAND)
def test_an_option_arrives_however_the_run_is_made(name: str, asked: Any) -> None:
    """In one process, over several, and as an argument of `locust`: the same request, and another than without it."""
    alone, spread = asked["alone"][name], asked["spread"][name]
    part = NAMES.get(name, name)

    assert alone["request"][part] != asked["alone"]["none"]["request"][part]
    assert alone["request"] == spread["request"] == alone["by_locust"]


def test_all_options_at_once_arrive(asked: Any) -> None:
    """Several values of an option that may come several times, too."""
    alone = asked["alone"]["all"]["request"]

    assert alone == asked["spread"]["all"]["request"]
    assert alone["plugins"] == "('rabbitmq_stream', 'rabbitmq_stream')"


def test_every_part_of_a_request_is_an_option() -> None:
    """The table has each of them once, and `loadtest run` as many options: none is forgotten."""
    parts = {each.name for each in fields(RunOptions)} - {"environ"}

    assert sorted(option.name for option in OPTIONS) == sorted(parts)
    assert {NAMES.get(name, name) for name in OF_THE_COMMAND} == parts - {"scenario"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_form_keeps_what_the_command_line_says(option: Any, asked: Any) -> None:
    """A start from the page that leaves all fields empty is a run as `locust` was started, but for `-u`, `-r`, `-t`."""
    by_form, by_locust = asked["form"][option.name], asked["locust"][option.name]

    assert by_locust[option.name] != asked["locust"]["none"][option.name]
    if option.dest in {"num_users", "spawn_rate", "run_time"}:
        assert by_form[option.name] == "None"
    else:
        assert by_form == by_locust


def test_nothing_but_the_command_line_counts_over_processes(asked: Any) -> None:
    """`LOCUST_…` and the variables of the locustfile do not reach a `loadtest run` that becomes a `locust` process."""
    handed_on = asked["spread"]["none"]["environ"]

    assert "LOADTEST_STATE_DIR" in handed_on
    assert set(handed_on) & OTHERS.keys() == set()
    assert asked["spread"]["none"]["request"] == asked["alone"]["none"]["request"]


@pytest.mark.parametrize(
    "text, seconds",
    [("20", 20), ("20s", 20), ("3m", 180), ("2h", 7200), ("1h20m", 4800), ("1h1s", 3601), ("300h", 1_080_000)],
)
def test_times_are_read_as_locust_reads_them(text: str, seconds: float) -> None:
    """A number is seconds; units come in the order h, m, s."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "x", "1d", "20m1h", "-5", "1.5h", "0", "0s", "9000h", "9" * 5000, f"{'9' * 5000}h", "\u0666"],
    ids=lambda text: ascii(text[-4:]) + str(len(text)),
)  # fmt: skip
def test_other_times_are_refused_in_a_line(text: str) -> None:
    """Whatever is written, and however long: what was found, shortened, and what is allowed."""
    with pytest.raises(UsageError, match=r"^-t: found the run time .{2,42}; allowed 1s to 8784h"):
        seconds_of(text)


# Of texts that are read again, or that hold a number of the user's: six digits are not enough for these.
WRITTEN = re.compile(r"\{[^{}]*(?:_s|rate|per_s|value|NS_PER_M?S|factor|seconds)(?:\(\))?:g\}")


def test_no_number_of_the_user_is_written_with_an_exponent() -> None:
    """`:g` makes 1e+06 of a million, which no option and no scenario reads; constants of the tool may be written so."""
    package = Path(cli.__file__).parent
    found = [
        f"{path.relative_to(package)}: {match.group()}"
        for path in sorted(package.rglob("*.py"))
        for match in WRITTEN.finditer(path.read_text(encoding="utf-8"))
        if not re.search(r"timeout_s|TIMEOUT_S|edge", match.group())
    ]

    assert found == ["result/units.py: {value:g}"]  # 0, or what is not finite
