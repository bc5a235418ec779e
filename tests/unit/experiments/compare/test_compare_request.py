"""What is kept of a comparison, so that it can be gone on with from anywhere, and no password."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from loadtest.errors import UsageError
from loadtest.experiments.compare.compare_options import CompareOptions, request_from
from loadtest.experiments.compare.compare_request import CompareRequest, request_again, variant_hash
from loadtest.experiments.compare.trial_kinds import CapacityTrials
from loadtest.experiments.compare.variants import Variant
from loadtest.scenario import load_scenario

SECRET: Final = "hunter2-of-ann"
SCENARIO: Final = f"""\
name: two
topology: {{queues: {{q: {{type: classic}}}}}}
publishers: {{in: {{routing_key: q, body: {{size: 100B}}, rate: 5/s}}}}
consumers: {{out: {{queue: q}}}}
run: {{duration: 1s}}
compare:
  variants:
    plain: {{}}
    broker: {{broker: "amqp://ann:{SECRET}@x.example"}}
    config: {{config: {{default_pass: {SECRET}, heartbeat: 30}}}}
    env: {{env: {{MY_TOKEN: {SECRET}, ERL_FLAGS: +S 1:1}}}}
    open: {{broker: "amqp://y.example"}}
"""


@pytest.fixture
def request_of_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompareRequest:
    """What is asked by a file that is named from its own folder."""
    (tmp_path / "two.yaml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    return request_from(CompareOptions("two.yaml"), {})


def test_no_password_is_kept(request_of_file: CompareRequest) -> None:
    """Nor the environment."""
    text = replace(request_of_file, environ={"A": SECRET}).to_json()

    assert SECRET not in text
    assert json.loads(text)["variants"][2]["settings"] == ["default_pass = ***", "heartbeat = 30"]


def test_it_is_asked_again_from_elsewhere(
    request_of_file: CompareRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, with the passwords that are in the file; the file is found."""
    asked = replace(request_of_file, hashes={"plain": "x"})
    text = asked.to_json()

    assert asked.source == "two.yaml"

    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    again = request_again(text, (), {})

    assert again == asked
    assert again.source == str(again.file)
    assert load_scenario(again.source).scenario.name == "two"


@pytest.mark.parametrize(
    "name, before, after, told",
    [
        pytest.param("broker", SECRET, "x", None, id="another password, which is not kept"),
        pytest.param("broker", "x.example", "z.example", "--broker broker=URL is needed", id="another broker"),
        pytest.param("config", "heartbeat: 30", "heartbeat: 31", "config: its config or environment held", id="config"),
        pytest.param("env", "ERL_FLAGS", "ERL_ZFLAGS", "env: its config or environment held", id="variable"),
    ],
)
def test_passwords_of_a_file_that_has_changed(
    name: str, before: str, after: str, told: str | None, request_of_file: CompareRequest, tmp_path: Path
) -> None:
    """They are taken from a variant that is what it was in all else."""
    text = request_of_file.to_json()
    (tmp_path / "two.yaml").write_text(SCENARIO.replace(before, after))
    if told is None:
        assert {each.name: each for each in request_again(text, (), {}).variants}[name] != request_of_file.variants[1]
        return
    with pytest.raises(UsageError) as error:
        request_again(text, (), {})

    assert told in str(error.value)


def test_a_url_is_given_again(request_of_file: CompareRequest, tmp_path: Path) -> None:
    """By an option, where the file has it no more; one without a password was kept."""
    text = request_of_file.to_json()
    (tmp_path / "two.yaml").write_text(SCENARIO.replace("x.example", "z.example"))
    again = request_again(text, ["broker=amqp://ann:other@x.example"], {})

    assert again.variants[1].brokers == ("amqp://ann:other@x.example",)
    assert again.variants[4].brokers == ("amqp://y.example",)


def test_the_file_is_gone(request_of_file: CompareRequest, tmp_path: Path) -> None:
    """It says which."""
    text = request_of_file.to_json()
    (tmp_path / "two.yaml").unlink()
    with pytest.raises(UsageError, match=r"the scenario /.*/two\.yaml is not there any more: compare anew"):
        request_again(text, (), {})


def test_hash(tmp_path: Path) -> None:
    """Of what is run and of the config, whatever their files are called."""
    config = tmp_path / "own.conf"
    config.write_text("heartbeat = 30\n")
    base = load_scenario("s.yaml", text=SCENARIO)
    seen = [
        variant_hash(base, Variant("a")),
        variant_hash(base, Variant("a", config=config)),
        variant_hash(load_scenario("s.yaml", text=SCENARIO.replace("5/s", "6/s")), Variant("a")),
    ]
    config.write_text("heartbeat = 31\n")
    seen.append(variant_hash(base, Variant("a", config=config)))

    assert len(set(seen)) == 4
    assert variant_hash(load_scenario("t.yaml", text=f"# said\n{SCENARIO}"), Variant("b")) == seen[0]
    config.unlink()
    with pytest.raises(UsageError, match=r"a: config .*: No such file"):
        variant_hash(base, Variant("a", config=config))


def test_searches_are_asked_for_again(request_of_file: CompareRequest) -> None:
    """With what has to hold; three rounds unless told, and the file's metrics do not count."""
    searching = CapacityTrials(5.0, ("lost == 0",), ("--hold", "1s"))
    asked = request_from(CompareOptions("two.yaml", searching=searching), {})

    assert (asked.searching, asked.slo, asked.rounds, asked.metrics) == (searching, ("lost == 0",), 3, ())
    assert request_again(asked.to_json(), [], {}) == asked
    assert (request_of_file.searching, request_of_file.slo, request_of_file.rounds) == (None, (), 5)
