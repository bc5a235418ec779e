"""What is asked of a search, and how it is kept so that an interrupted one can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtest.errors import UsageError
from loadtest.experiments.compare.compare_request import file_of, redacted_all, redacted_urls, shown_variant
from loadtest.experiments.compare.variants import Variant
from loadtest.redaction import REDACTED
from loadtest.scenario.grammar.quantity import MAX_RATE_PER_S


@dataclass(frozen=True, slots=True)
class CapacityRequest:
    """
    What is asked.

    Attributes:
        scenario: Name or file; its publishers' rates are kept in proportion.
        slo: What has to hold, as thresholds.
        broker: Where it runs, as a variant of a comparison.
        start_per_s: The first rate; None: the scenario's own.
        hold: How long each rate is held, as the scenario writes a time.
        hash: Of all that the scenario says, so that one that has been changed meanwhile is noticed.
        processes: That the users of each try are spread over; -1: one a core.
    """

    scenario: str
    slo: tuple[str, ...]
    broker: Variant
    overrides: tuple[str, ...] = ()
    start_per_s: float | None = None
    most_per_s: float = float(MAX_RATE_PER_S)
    hold: str = "10s"
    precision: float = 0.05
    repeats: int = 2
    processes: int = 1
    hash: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The scenario to be run."""
        return self.scenario

    @property
    def restart(self) -> bool:
        """Whether each trial has a private broker of its own: never, as all rates are tried on one."""
        return False

    def to_json(self) -> str:
        """Return all but the environment and what may be a password; a scenario's file as it is found from anywhere."""
        file = file_of(self.scenario)
        shown = replace(
            self,
            scenario=self.scenario if file is None else str(file),
            broker=shown_variant(self.broker),
            overrides=redacted_all(self.overrides),
            environ={},
        )
        asked = asdict(shown)
        del asked["environ"]
        return json.dumps(asked, indent=2, default=str)


def request_again(text: str, brokers: Sequence[str], from_environ: Sequence[str]) -> CapacityRequest:
    """
    Return what was asked before the pause; its environment is empty.

    Args:
        text: As `CapacityRequest.to_json` gave it.
        brokers: URLs as they are named now.
        from_environ: Those that the environment names.

    Raises:
        UsageError: If it held a password, which was not kept.
        ValueError, KeyError, TypeError: If it is no request.
    """
    asked: dict[str, Any] = json.loads(text)
    if REDACTED in str(asked["overrides"]):
        raise UsageError("an override held a password, which was not kept: search anew")
    broker = asked.pop("broker")
    now = tuple(brokers)
    if not now and broker["brokers"] == list(redacted_urls(from_environ)):
        now = tuple(from_environ)
    if broker["brokers"] and not now:
        raise UsageError("--broker URL is needed: addresses are not kept, for their passwords")
    config, server = (Path(broker[name]) if broker[name] else None for name in ("config", "server"))
    texts = tuple(broker["overrides"])
    variant = Variant(broker["name"], texts, now, config, broker["nodes"], server, tls=broker.get("tls", False))
    asked |= {"broker": variant, "slo": tuple(asked["slo"]), "overrides": tuple(asked["overrides"])}
    return CapacityRequest(**asked)
