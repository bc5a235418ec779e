"""
What is asked of a comparison, and how it is kept in the comparison's folder, so that it can be gone on with.

No password is kept. What held one is taken from the scenario's file again, if it is the same there, or asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from loadtest.broker.endpoint import broker_urls
from loadtest.broker.private.node_config import without_secrets
from loadtest.errors import ScenarioError, UsageError
from loadtest.experiments.compare.trial_kinds import CapacityTrials
from loadtest.experiments.compare.variants import Variant, variants_of
from loadtest.redaction import REDACTED, redacted_value
from loadtest.scenario import LoadedScenario, load_scenario
from loadtest.scenario.catalogue import find_scenario
from loadtest.scenario.grammar.compare_block import DEFAULT_MAX_ROUNDS, DEFAULT_ROUNDS
from loadtest.scenario.grammar.node_environment import shown_environment
from loadtest.scenario.loading.secrets_in_yaml import redacted_override

DEFAULT_MIN_EFFECT: Final = 0.05


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """
    What is asked.

    Attributes:
        scenario: Name or file, as it was typed.
        overrides: That all variants have.
        metrics: What is looked at; none: what fits the scenario.
        min_effect: Share of the baseline below which a change is none.
        until_decided: Go on after `rounds` until all is decided, or `max_rounds` are done.
        restart: Whether each trial has a private broker of its own.
        searching: The searches that trials are; None: they are runs.
        repeat_marked: How often a block with a mark is run again at most.
        file: The scenario's, absolute; None: one of the catalogue.
        hashes: By variant, of all that its files say, so that one that has been changed meanwhile is noticed.
    """

    scenario: str
    variants: tuple[Variant, ...]
    baseline: str
    rounds: int = DEFAULT_ROUNDS
    max_rounds: int = DEFAULT_MAX_ROUNDS
    until_decided: bool = False
    overrides: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    min_effect: float = DEFAULT_MIN_EFFECT
    fails_on_worse: bool = False
    restart: bool = False
    searching: CapacityTrials | None = None
    repeat_marked: int = 0
    file: Path | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def slo(self) -> tuple[str, ...]:
        """What has to hold where trials are searches; else nothing."""
        return () if self.searching is None else self.searching.slo

    @property
    def source(self) -> str:
        """The scenario to be run, from whatever folder: as it was typed, where that leads to it."""
        return source_of(self.scenario, self.file)

    def to_json(self) -> str:
        """Return all but the environment and what may be a password."""
        asked = asdict(replace(self, environ={}, hashes={}, overrides=redacted_all(self.overrides)))
        del asked["environ"]
        asked["hashes"] = dict(self.hashes)
        asked["variants"] = [asdict(shown_variant(variant)) for variant in self.variants]
        return json.dumps(asked, indent=2, default=str)


def redacted_all(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return overrides without their secrets."""
    return tuple(redacted_override(text) for text in overrides)


def redacted_urls(urls: Iterable[str]) -> tuple[str, ...]:
    """Return URLs of brokers without their passwords."""
    return tuple(redacted_value(url) for url in urls)


def shown_variant(variant: Variant) -> Variant:
    """Return a variant fit for files and screens: secrets are replaced."""
    return replace(
        variant,
        overrides=redacted_all(variant.overrides),
        brokers=redacted_urls(variant.brokers),
        settings=tuple(without_secrets(line) for line in variant.settings),
        env=tuple(shown_environment(dict(variant.env)).items()),
    )


def file_of(scenario: str) -> Path | None:
    """Return the file of a scenario, absolute; None if it is of the catalogue. Errors as `find_scenario`."""
    path = find_scenario(scenario)
    return path.absolute() if path == Path(scenario) else None


def source_of(scenario: str, file: Path | None) -> str:
    """Return the scenario to be run, from whatever folder: as it was typed, where that leads to its file."""
    return scenario if file is None or Path(scenario).absolute() == file else str(file)


def variant_hash(loaded: LoadedScenario, variant: Variant) -> str:
    """
    Return what tells a variant from one whose scenario, body files or config say something else.

    Raises:
        UsageError: If its config cannot be read.
    """
    found = hashlib.sha256(loaded.hash.encode())
    if variant.config is not None:
        try:
            found.update(variant.config.read_bytes())
        except OSError as error:
            raise UsageError(f"{variant.name}: config {variant.config}: {error.strerror}") from error
    return found.hexdigest()


def request_again(text: str, brokers: Sequence[str], environ: Mapping[str, str]) -> CompareRequest:
    """
    Return what `to_json` has kept.

    Args:
        text: What it returned.
        brokers: `NAME=URL` of variants that have a broker of their own, as passwords are not kept.
        environ: Of now.

    Raises:
        UsageError: If it held a password, which was not kept, or the scenario's file is gone.
        ValueError, KeyError, TypeError: If it is no such text.
    """
    asked: dict[str, Any] = json.loads(text)
    if REDACTED in str(asked["overrides"]):
        raise UsageError("an override held a password, which was not kept: compare anew")
    for name in ("overrides", "metrics"):
        asked[name] = tuple(asked[name])
    if asked.get("searching"):
        kept_search = asked["searching"]
        asked["searching"] = CapacityTrials(
            kept_search["start_per_s"], tuple(kept_search["slo"]), tuple(kept_search["options"])
        )
    asked["file"] = Path(asked["file"]) if asked.get("file") else None
    kept = [variant_again(each) for each in asked.pop("variants")]
    request = CompareRequest(variants=(), environ=dict(environ), **asked)
    if request.file is not None and not request.file.is_file():
        raise UsageError(f"the scenario {request.file} is not there any more: compare anew")
    given = _given(brokers)
    return replace(request, variants=_with_secrets(kept, request, given))


def variant_again(each: Mapping[str, Any]) -> Variant:
    """Return a variant as a request has kept it; secrets are not in it (`shown_variant`)."""
    return Variant(
        name=each["name"],
        overrides=tuple(each["overrides"]),
        brokers=tuple(each["brokers"]),
        config=Path(each["config"]) if each["config"] else None,
        nodes=each["nodes"],
        server=Path(each["server"]) if each["server"] else None,
        settings=tuple(each.get("settings", ())),
        env=tuple((name, value) for name, value in each.get("env", ())),
        tls=each.get("tls", False),
    )


def _given(brokers: Sequence[str]) -> dict[str, tuple[str, ...]]:
    given: dict[str, tuple[str, ...]] = {}
    for text in brokers:
        name, _, url = text.partition("=")
        given[name] = (*given.get(name, ()), url)
    return given


def _with_secrets(
    kept: Sequence[Variant], request: CompareRequest, given: Mapping[str, tuple[str, ...]]
) -> tuple[Variant, ...]:
    """Return the variants that were kept, with the secrets in them: from options, the environment, or the file."""
    of_all = broker_urls(request.environ)
    in_file = _variants_in_file(request) if any(_is_wanting(variant) for variant in kept) else {}
    variants = []
    for variant in kept:
        found = variant
        if variant.name in given:
            found = replace(variant, brokers=given[variant.name])
        elif variant.brokers and variant.brokers == redacted_urls(of_all):
            found = replace(variant, brokers=of_all)
        elif _is_wanting(variant):
            found = in_file.get(variant.name, variant)
            if shown_variant(found) != variant or _is_wanting(found):
                _refuse(variant)
        variants.append(found)
    return tuple(variants)


def _is_wanting(variant: Variant) -> bool:
    return REDACTED in str((variant.overrides, variant.brokers, variant.settings, variant.env))


def _variants_in_file(request: CompareRequest) -> dict[str, Variant]:
    try:
        loaded = load_scenario(request.source, overrides=request.overrides)
    except ScenarioError:
        return {}
    block = loaded.scenario.compare
    return {} if block is None else {each.name: each for each in variants_of(block, loaded.folder)}


def _refuse(variant: Variant) -> None:
    if REDACTED in str(variant.brokers):
        raise UsageError(f"--broker {variant.name}=URL is needed: its password was not kept")
    if REDACTED in str(variant.overrides):
        raise UsageError("an override held a password, which was not kept: compare anew")
    raise UsageError(f"{variant.name}: its config or environment held a password, which was not kept: compare anew")
