"""
The options of a run, once: what each is called for Locust, and how its text becomes a part of the request.

`locust -f loadtest/main.py` gets its arguments from this table and reads the request by it; `loadtest run --processes`,
which becomes a `locust` process, writes its request as such arguments by it. An option that is not in the table fails
`tests/unit/commands/test_option_table.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from loadtest.errors import UsageError
from loadtest.run.run_options import RESULTS, RunOptions, decimal_text
from loadtest.scenario.grammar.quantity import MAX_DURATION_NS, NS_PER_S

DEFAULT_SCENARIO: Final = "flood-1000-direct"
OVERRIDES: Final = "--overrides"
"""Several overrides in one text, for what can hold one text only: an environment variable, a field of a form."""

EMPTY: Final = "found nothing; leave the option out, or give it a value"

_UNITS_S: Final = {"h": 3600, "m": 60, "s": 1}
_MOST_DIGITS: Final = 20
"""Of a number that is looked at: more of them are too long a time whatever they are."""


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class RunOption:
    """
    An option of a run.

    Attributes:
        name: Of the attribute of `RunOptions`.
        flag: As Locust's command line has it.
        dest: Where Locust's parser leaves it.
        read: Makes the request's value of what the parser left; `UsageError` if it cannot.
        write: Makes the texts of the request's value, each for one use of the flag; none for one that is left out.
        argument: How Locust's parser is told of it; None for an option that is Locust's own.
    """

    name: str
    flag: str
    dest: str
    read: Callable[[Any], Any] = _same
    write: Callable[[Any], Sequence[str]] = lambda value: () if value is None else (str(value),)
    argument: dict[str, Any] | None = None


def some_text(text: str) -> str:
    """
    Return the text of an option; an empty one is mostly a variable that is not set.

    Raises:
        argparse.ArgumentTypeError: If it is empty.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(EMPTY)
    return text


def seconds_of(text: str | int | None, option: str = "-t", *, least_s: int = 1) -> float | None:
    """
    Return a time as Locust's `-t` has it, in s; None where there is none.

    Raises:
        UsageError: If it is no such time, or shorter or longer than is allowed.
    """
    if text is None:
        return None
    seconds = _whole_seconds(str(text).strip())
    most_s = MAX_DURATION_NS // NS_PER_S
    what = "run time" if option == "-t" else "time"
    if seconds is None or not least_s <= seconds <= most_s:
        raise UsageError(
            f"{option}: found the {what} {str(text)[:40]!r}; allowed {least_s}s to {most_s // 3600}h, "
            "such as 20, 20s, 3m or 1h20m"
        )
    return float(seconds)


def seconds_argument(text: str) -> int:
    """
    Return the time of `-t`, in s, for Locust's parser.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    try:
        return int(seconds_of(text) or 0)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("-t: ")) from None


def _whole_seconds(text: str) -> int | None:
    """Return the seconds of `90`, `90s` or `1h20m10s`, each unit once and in this order; None of anything else."""
    total, rest = 0, f"{text}s" if text.isdecimal() else text
    for unit, factor in _UNITS_S.items():
        number, found, after = rest.partition(unit)
        if found:
            if not (number.isascii() and number.isdecimal()):
                return None
            total, rest = total + factor * int(number.lstrip("0")[:_MOST_DIGITS] or "0"), after
    return total if text and not rest else None


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _some_texts(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(values or ())


def _seconds_text(seconds: float | None) -> tuple[str, ...]:
    return (decimal_text(seconds),) if seconds else ()


def _rate_text(per_s: float | None) -> tuple[str, ...]:
    return () if per_s is None else (decimal_text(per_s),)


def _repeated(name: str, flag: str, metavar: str, text: str) -> RunOption:
    argument = {"action": "append", "default": [], "metavar": metavar, "help": text}
    return RunOption(name, flag, flag.removeprefix("--"), _some_texts, _texts, argument)


def _single(name: str, flag: str, text: str, read: Callable[[Any], Any] = _same, **more: Any) -> RunOption:
    dest = flag.removeprefix("--").replace("-", "_")
    return RunOption(name, flag, dest, read, argument={"default": None, "help": text} | more)


OPTIONS: Final[tuple[RunOption, ...]] = (
    _single(
        "scenario",
        "--scenario",
        "Name of a scenario of the catalogue, or a file.",
        env_var="LOADTEST_SCENARIO",
        default=DEFAULT_SCENARIO,
    ),
    _repeated("overrides", "--set", "PATH=VALUE", "Override a value of the scenario; repeatable."),
    _repeated("thresholds", "--threshold", "CHECK", "Threshold in addition to the scenario's; repeatable."),
    _repeated(
        "brokers",
        "--broker",
        "URL",
        "AMQP URL of a node; repeatable. Default: LOADTEST_BROKER, AMQP_URL, a private node.",
    ),
    _repeated("plugins", "--plugin", "NAME", "Plugin for the private node; repeatable."),
    RunOption("users", "--users", "num_users"),
    RunOption("connect_rate_per_s", "--spawn-rate", "spawn_rate", write=_rate_text),
    RunOption("run_time_s", "--run-time", "run_time", seconds_of, _seconds_text),
    _single("results", "--results", "Parent of the results folder.", Path, default=str(RESULTS)),
    _single("server", "--server", "RabbitMQ installation for the private node.", _path),
    _single("config", "--node-config", "rabbitmq.conf for the private node; --config is Locust's own.", _path),
    _single(
        "nodes",
        "--nodes",
        "Nodes of the private broker, which form a cluster: 1, 3 or 5.",
        type=int,
        metavar="N",
    ),
    RunOption(
        "tls",
        "--tls",
        "tls",
        argument={"action": "store_true", "help": "Reach the private broker over TLS, with certificates made for it."},
    ),
    _single(
        "on_worker_lost",
        "--on-worker-lost",
        "If a worker is lost: fail, the default, ends the run; with continue others take over its users.",
        choices=("fail", "continue"),
        default="fail",
    ),
    _single(
        "json_file",
        "--result-json",
        "Write the result as JSON, - prints it instead of the summary; --json is Locust's own.",
        _path,
    ),
    _single(
        "prometheus_port",
        "--prometheus-port",
        "Port at which Prometheus can scrape the run; 0: any free one.",
        type=int,
        env_var="LOADTEST_PROMETHEUS_PORT",
        metavar="PORT",
    ),
    _single("prometheus_host", "--prometheus-host", "Address that --prometheus-port is of.", default="127.0.0.1"),
    RunOption(
        "prometheus_linger_s",
        "--prometheus-linger",
        "prometheus_linger",
        lambda text: seconds_of(text, "--prometheus-linger", least_s=0) or 0,
        _seconds_text,
        {"default": None, "help": "Longest time to wait at the end for a last scrape: 30, 30s, 1m."},
    ),
)


def add_options(parser: Any) -> None:
    """Tell Locust's parser of every option that is not its own, and of `--overrides`."""
    for option in OPTIONS:
        if option.argument is not None:
            argument = dict(option.argument)
            if argument.get("action") != "store_true":
                argument.setdefault("type", some_text)
            # Not by Locust's web page: the form that is ours posts them.
            parser.add_argument(option.flag, include_in_web_ui=False, **argument)
    text = "Overrides in one text: PATH=VALUE; PATH=VALUE."
    parser.add_argument(OVERRIDES, env_var="LOADTEST_OVERRIDES", default="", include_in_web_ui=False, help=text)


def run_options_of(options: argparse.Namespace) -> RunOptions:
    """
    Return what Locust's options ask for; `-u`, `-r` and `-t` left out are the scenario's business.

    Raises:
        UsageError: If an option cannot be read.
    """
    asked = {option.name: option.read(getattr(options, option.dest)) for option in OPTIONS}
    in_one = (text.strip() for text in options.overrides.split(";"))
    asked["overrides"] = (*asked["overrides"], *filter(None, in_one))
    return RunOptions(**asked)


def arguments_of(request: RunOptions) -> Iterator[str]:
    """Yield the arguments by which Locust's options ask for *request*, in one word each: a value may begin with -."""
    defaults = {each.name: each.default for each in fields(RunOptions)}
    for option in OPTIONS:
        value = getattr(request, option.name)
        if isinstance(value, bool):
            if value:
                yield option.flag
        elif value != defaults[option.name]:
            yield from (f"{option.flag}={text}" for text in option.write(value))
