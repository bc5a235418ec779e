"""Command lines that cannot be used: a line that names what is wrong, exit code 2, and nothing is started."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

RUN: Final = "run steady-1kb"
COMPARE: Final = "compare steady-1kb --vary publishers.in.users=1,2"
CAPACITY: Final = "capacity steady-1kb --slo 'lost == 0'"
SWEEP: Final = "sweep steady-1kb --vary publishers.in.users=1,2"
LOCUST: Final = "locust --headless --scenario steady-1kb"

# A command line, and what its error begins with or holds.
BAD: Final = {
    **{f"{RUN} {words}": told for words, told in {
        "-u 1000000": "-u: found 1000000; allowed 1 to 100000 users: 1,000,000 would need as many file descriptors",
        "-u 99999999999999999999999": "-u: found 99999999999999999999999; allowed 1 to 100000",
        "-u 0": "-u: found 0; allowed",
        "-u -5": "-u: found -5; allowed",
        "-u 1": "-u: found 1; allowed 2 or more",
        "-u ''": "-u: found nothing",
        "--users=": "--users: found nothing",
        "-r -1": "-r: found -1.0; allowed",
        "-r nan": "-r: found nan; allowed",
        "-r inf": "-r: found inf; allowed",
        "-r 1e300": "-r: found 1e+300; allowed",
        "-r 1e-300": "-r: found 1e-300; allowed",
        "-r 20000000": "-r: found 20000000.0; allowed",
        "-t 0": "-t: found the run time '0'; allowed 1s to 8784h",
        "-t 9000h": "-t: found the run time '9000h'; allowed 1s to 8784h",
        f"-t {'9' * 400}h": "-t: found the run time '999",
        "-t 5d": "-t: found the run time '5d'; allowed",
        "-t ' '": "-t: found nothing",
        "--nodes 2": "--nodes: found 2; allowed 1, 3 or 5",
        "--nodes 1000000": "--nodes: found 1000000; allowed 1, 3 or 5",
        "--processes 100000": "--processes: found 100000; allowed 1 to ",
        "--processes -7": "--processes: found -7; allowed",
        "--prometheus-port 70000": "--prometheus-port: found 70000; allowed",
        "--prometheus-port -1": "--prometheus-port: found -1; allowed",
        "--prometheus-linger 9000h": "--prometheus-linger: found the time '9000h'; allowed",
        "--broker ''": "--broker: found nothing",
        "--broker=": "--broker: found nothing",
        "--broker amqp://h --broker ''": "--broker: found nothing",
        "--broker host": "broker URL: it does not begin with amqp://",
        "--set ''": "--set: found nothing",
        "--set x": '--set:1: scenario: found "x"; allowed PATH=VALUE',
        "--set =1": "--set:1",
        "--set publishers.in.users=1000000": "publishers.in.users: found 1000000; allowed",
        "--set publishers.in.confirm_window=99999999": "confirm_window: found 99999999; allowed",
        "--set publishers.in.rate=99999999999/s": 'rate: found "99999999999/s"; allowed',
        "--set publishers.in.body.size=200MiB": 'size: found "200MiB"; allowed',
        "--set publishers.in.messages=1e300": "messages: found 1e+300; allowed",
        "--set consumers.out.prefetch=65536": "prefetch: found 65536; allowed",
        "--set consumers.out.ack='every 70000'": 'ack: found "every 70000"; allowed',
        "--set run.duration=367d": 'run.duration: found "367d"; allowed',
        "--set run.drain=-1s": 'run.drain: found "-1s"; allowed',
        "--set run.seed=99999999999999999999": "run.seed: found 99999999999999999999; allowed",
        "--set run.connect_rate=0/s": "run.connect_rate: found 0/s; allowed",
        "--set topology.queues.steady.count=1000001": "count: found 1000001; allowed",
        "--set 'faults=[{do: close-connections, every: 1ns}]'": "faults[0].every: found ",
        "--set 'in.rate=[{for: 366d, rate: 10000000/s}]' --set in.arrival=poisson": "stages of 316,2",
        "--threshold ''": "--threshold: found nothing",
        "--threshold nonsense": "--threshold:1",
        "--config ''": "--config: found nothing",
        "--config=": "--config: found nothing",
        "--results ''": "--results: found nothing",
        "--server ''": "--server: found nothing",
        "--json ''": "--json: found nothing",
        "--json /nowhere/out.json": "the result cannot go there",
        "--plugin ''": "--plugin: found nothing",
        "--prometheus-host ''": "--prometheus-host: found nothing",
        "--on-worker-lost shrug": "'--on-worker-lost'",
        "--frobnicate": "--frobnicate",
        "''": "an argument: found nothing",
    }.items()},
    "run ''": "an argument: found nothing",
    "run /nowhere.yaml": "/nowhere.yaml",
    "run no-such-scenario": "no-such-scenario",
    "show ''": "an argument: found nothing",
    "validate ''": "an argument: found nothing",
    "schema frob": "there is no schema",
    "frob": "frob",
    f"{COMPARE} --rounds 1": "'--rounds'",
    f"{COMPARE} --rounds 100000": "'--rounds'",
    f"{COMPARE} --max-rounds 100000": "'--max-rounds'",
    f"{COMPARE} --min-effect nan": "'--min-effect'",
    f"{COMPARE} --repeat-marked 99": "'--repeat-marked'",
    f"{COMPARE} --capacity --slo 'lost == 0' --precision nan": "'--precision'",
    "compare steady-1kb --nodes a=2 --variant b": "--nodes a: found '2'",
    "compare steady-1kb --vary ''": "--vary: found nothing",
    f"{CAPACITY} --from 0/s": "--from: found '0/s'; allowed",
    f"{CAPACITY} --most 0/s": "--most: found '0/s'; allowed",
    f"{CAPACITY} --most 99999999999/s": "--most: found '99999999999/s'; allowed",
    f"{CAPACITY} --hold 0s": "--hold: found '0s'; allowed",
    f"{CAPACITY} --hold 300h": "--hold: found '300h'; allowed",
    f"{CAPACITY} --precision nan": "'--precision'",
    f"{CAPACITY} --repeats 100000": "'--repeats'",
    f"{CAPACITY} --processes 100000": "--processes: found 100000",
    f"{CAPACITY} --nodes 2": "--nodes: found 2; allowed 1, 3 or 5",
    f"{SWEEP} --repeats 100000": "'--repeats'",
    f"{SWEEP} --max-points 100000000": "'--max-points'",
    f"{SWEEP} --seed 99999999999999999999": "'--seed'",
    f"{SWEEP} --nodes 2": "--nodes: found 2; allowed 1, 3 or 5",
    "broker start --nodes 1000": "--nodes: found 1000; allowed 1, 3 or 5",
    "broker start --name ''": "--name: found nothing",
    "broker logs --lines -5": "'--lines'",
    "broker logs --lines 999999999999": "'--lines'",
    "broker logs --node 0": "'--node'",
    f"{LOCUST} -u 1000000": "-u: found 1000000; allowed 1 to 100000",
    f"{LOCUST} -u many": "invalid int value",
    f"{LOCUST} -r nan": "must be a finite number",
    f"{LOCUST} -t 9000h": "found the run time '9000h'; allowed 1s to 8784h",
    f"{LOCUST} -t {'9' * 400}h": "found the run time '999",
    f"{LOCUST} --processes 100000": "--processes: found 100000; allowed",
    f"{LOCUST} --processes few": "found 'few'; allowed",
    f"{LOCUST} --nodes 2": "--nodes: found 2; allowed 1, 3 or 5",
    f"{LOCUST} --prometheus-port 70000": "--prometheus-port: found 70000; allowed",
    f"{LOCUST} --broker ''": "--broker: found nothing",
    f"{LOCUST} --set ''": "--set: found nothing",
    f"{LOCUST} --results ''": "--results: found nothing",
    f"{LOCUST} --node-config ''": "--node-config: found nothing",
    "locust --headless --scenario ''": "--scenario: found nothing",
}  # fmt: skip
# An environment, with a command line that is good, and what the error holds.
ENVIRONMENTS: Final = {
    (RUN, "LOADTEST_BROKER="): "LOADTEST_BROKER is set, and empty",
    (RUN, "AMQP_URL="): "AMQP_URL is set, and empty",
    (RUN, "LOADTEST_BROKER=amqp://guest:Zq7sec,Xw9ret@h"): "LOADTEST_BROKER: number 2 of 2 does not begin with amqp://",
    (RUN, "LOADTEST_PROMETHEUS_PORT="): "LOADTEST_PROMETHEUS_PORT is set, and empty",
    (RUN, "LOADTEST_PROMETHEUS_PORT=x"): "'--prometheus-port'",
    (COMPARE, "LOADTEST_BROKER="): "LOADTEST_BROKER is set, and empty",
    (CAPACITY, "LOADTEST_BROKER="): "LOADTEST_BROKER is set, and empty",
    (SWEEP, "AMQP_URL="): "AMQP_URL is set, and empty",
    (COMPARE, "LOADTEST_BROKER=amqp://guest:Zq7sec,Xw9ret@h"): "LOADTEST_BROKER: number 2 of 2",
    (LOCUST, "LOADTEST_BROKER="): "LOADTEST_BROKER is set, and empty",
    ("locust", "LOADTEST_BROKER="): "LOADTEST_BROKER is set, and empty",
    ("locust --headless", "LOADTEST_SCENARIO="): "--scenario: found nothing",
    (LOCUST, "LOCUST_USERS=1000000"): "-u: found 1000000; allowed",
    (LOCUST, "LOCUST_PROCESSES=100000"): "--processes: found 100000; allowed",
    (LOCUST, "LOADTEST_OVERRIDES=run.duration=900000h"): "run.duration: found",
}
# A command line, its exit code, and what its error holds, each.
TOLD: Final = {
    "list more": (2, "more"),
    "show": (2, "scenario"),
    "show steady": (2, '"steady"', "steady-1kb"),
    "validate": (2, "FILE"),
    "validate nowhere.yaml": (2, "nowhere.yaml"),
    "schema results": (2, "results", "scenario, result, windows"),
    "report": (2, "FOLDER"),
    "report nowhere": (4, "nowhere", "windows.jsonl"),
    "run": (2, "scenario"),
    f"{RUN} -t soon": (2, "run time 'soon'", "1h20m"),
    f"{RUN} -u many": (2, "'--users' / '-u'", "integer"),
    f"{RUN} -r 0": (2, "-r: found 0.0; allowed", "connect_rate", "more than 0"),
    "broker stop --name nobody": (2, "'nobody'"),
    "broker logs --name nobody": (2, "'nobody'"),
    **{
        f"{door} {words}": (2, *texts)
        for door in ("run", "locust --headless --scenario")
        for words, texts in {
            "flood-1000-direkt": ('"flood-1000-direkt"', 'mean "flood-1000-direct"'),
            "nowhere.yaml": ("nowhere.yaml", "no file"),
            "flood-1000-direct --set publishers.flood.confirm_windw=1": (
                "publishers.flood.confirm_windw", "confirm_window",
            ),
            "flood-1000-direct --set run.duration=10": ("run.duration", "10", "unit"),
            "flood-1000-direct -u 1": ("-u", "1", "2 or more", "flood, drain"),
            "flood-1000-direct --broker http://guest:Zq7sec@127.0.0.1/": ("amqp://",),
        }.items()
    },
}  # fmt: skip
CASES: Final = {
    **{(line, ""): (2, told) for line, told in BAD.items()},
    **{case: (2, told) for case, told in ENVIRONMENTS.items()},
    **{(line, ""): told for line, told in TOLD.items()},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what all of them come to; one process has tried them."""
    folder = tmp_path_factory.mktemp("work")
    asked = [
        (shlex.split(line), dict([environ.split("=", 1)]) if environ else {}) for line, environ in CASES
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("misusing.py")], input=json.dumps(asked), capture_output=True,
        text=True, check=False, cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "HOME": str(folder), "PATH": "/usr/bin:/bin",
             "LOADTEST_STATE_DIR": str(folder / "state")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = [path.name for path in folder.glob("results/*")]
    return {"made": made} | dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]} {case[0][:60]}{len(case[0])}".strip())
def test_bad_input_is_a_line(case: tuple[str, str], answers: Any) -> None:
    """It says which option, what was found and what is allowed, ends as told, and shows no piece of a password."""
    code, out, err = answers[case]
    exit_code, *texts = CASES[case]

    assert code == exit_code, (code, err)
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith("scenario: " if case[0] == "validate nowhere.yaml" else "loadtest: ")
    assert [text for text in texts if text not in err] == [], err
    assert "Zq7" not in err
    assert "Xw9" not in err


def test_nothing_is_left_behind(answers: Any) -> None:
    """No folder of results is made for what cannot be run."""
    assert answers["made"] == []
