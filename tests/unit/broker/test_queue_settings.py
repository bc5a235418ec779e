"""What a broker makes of a queue's arguments: recorded answers of the management API of 3.10.8, 4.0.5 and 4.3.6."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.broker.admin.queue_settings import ignored, queue_settings
from loadtest.scenario import QueueSpec

CLASSIC = {"auto_delete": False, "durable": True, "type": "classic", "policy": None, "effective_policy_definition": {}}
SAID = {
    "3.10.8": lambda version, mode: {**CLASSIC, "backing_queue_status": {"mode": mode, "version": version}},
    "4.0.5": lambda version, mode: {**CLASSIC, "storage_version": 2, "backing_queue_status": {}},
    "4.3.6": lambda version, mode: {**CLASSIC, "storage_version": 2},
}


def queue(**arguments: object) -> QueueSpec:
    """Return a durable queue with arguments, `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return QueueSpec("q", durable=True, exclusive=False, auto_delete=False, arguments=named, passive=False)


def settings(version: str, said: dict[str, Any] | None = None, **arguments: object) -> dict[str, str]:
    """Return what a queue is there; without an answer of the API what is known of the version."""
    if said is None:
        said = SAID[version](arguments.get("x_queue_version", 1), arguments.get("x_queue_mode", "default"))
    return queue_settings(queue(**arguments), said, version)


@pytest.mark.parametrize("argument, values", [("x_queue_version", (1, 2)), ("x_queue_mode", ("default", "lazy"))])
@pytest.mark.parametrize("version, differs", [("3.10.8", True), ("4.0.5", False), ("4.3.6", False)])
def test_what_two_queues_come_to(version: str, differs: bool, argument: str, values: tuple[Any, Any]) -> None:
    """On 3.10 version and mode are as they are asked for; from 4.0 on all classic queues are alike."""
    one, other = (settings(version, **{argument: value}) for value in values)

    assert (one != other) is differs
    if not differs:
        assert one["version"] == "2"


@pytest.mark.parametrize("version, differs", [("3.10.8", True), ("3.12.0", False), ("4.0.5", False)])
def test_without_an_api_the_version_tells(version: str, differs: bool) -> None:
    """What a version is known to ignore counts for nothing; what it heeds counts as it was asked for."""
    assert (settings(version, {}, x_queue_mode="lazy") != settings(version, {})) is differs
    assert settings("", {}, x_queue_mode="lazy") != settings("", {})


def test_members_count_and_not_how_many_were_asked_for() -> None:
    """A quorum queue of a node alone has one member, whatever its initial group size, and one place for its leader."""
    said = {"type": "quorum", "durable": True, "auto_delete": False, "members": ["a@x"]}
    one = settings("4.0.5", said, x_queue_type="quorum")

    assert settings("4.0.5", said, x_queue_type="quorum", x_quorum_initial_group_size=3) == one
    assert settings("4.0.5", said, x_queue_type="quorum", x_queue_leader_locator="balanced") == one
    three = said | {"members": ["a@x", "b@x", "c@x"]}
    assert settings("4.0.5", three, x_queue_type="quorum", x_quorum_initial_group_size=3) != one


def test_a_policy_makes_a_queue_another() -> None:
    """The effective definition is what counts, not the name of the policy."""
    base = CLASSIC | {"storage_version": 2}

    assert settings("4.0.5", base | {"policy": "p"}) == settings("4.0.5", base)
    assert settings("4.0.5", base | {"effective_policy_definition": {"max-length": 5}}) != settings("4.0.5", base)


def test_arguments_that_no_queue_knows() -> None:
    """They count for nothing where the broker has told what it knows."""
    known = ["x-max-length"]

    assert queue_settings(queue(x_of_nobody=1), {}, "4.0.5", known) == queue_settings(queue(), {}, "4.0.5", known)
    assert queue_settings(queue(x_max_length=1), {}, "4.0.5", known) != queue_settings(queue(), {}, "4.0.5", known)
    assert queue_settings(queue(x_of_nobody=1), {}, "4.0.5") != queue_settings(queue(), {}, "4.0.5")


@pytest.mark.parametrize("version", [None, "", "x", "4", "3.11.28"])
def test_unknown_versions_ignore_nothing(version: str | None) -> None:
    """Nor do those before the change."""
    assert not ignored("x-queue-mode", version)
