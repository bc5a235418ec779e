"""
What is compared: variants of a scenario, or of the broker that it runs on, each a difference that has a name.

Read from options of the command line, or from a scenario's `compare`; knows no processes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtest.errors import UsageError
from loadtest.scenario.grammar.compare_block import MOST_VARIANTS, VARIANT_PATTERN, CompareBlock, VariantEntry
from loadtest.scenario.grammar.node_environment import variable_error
from loadtest.scenario.loading.dump import flow_text
from loadtest.scenario.loading.secrets_in_yaml import redacted_override

if TYPE_CHECKING:
    from loadtest.result.run.document import RunResult

NAME: Final = re.compile(VARIANT_PATTERN)
_NAMED: Final = "a name and a value, such as a=VALUE"
_QUOTES: Final = "\"'"


@dataclass(frozen=True, slots=True)
class Variant:
    """
    One side of a comparison.

    Attributes:
        overrides: As of `--set`, after those that all variants have.
        brokers: URLs of its nodes; none: a private broker.
        config, nodes, server: Of the private broker.
        settings: Lines of its rabbitmq.conf, in the place of a file.
        env: Variables of the environment of its nodes, each once.
        tls: Whether it is reached over TLS.
    """

    name: str
    overrides: tuple[str, ...] = ()
    brokers: tuple[str, ...] = ()
    config: Path | None = None
    nodes: int | None = None
    server: Path | None = None
    settings: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    tls: bool = False

    @property
    def broker(self) -> tuple[object, ...]:
        """What makes its broker another one than that of a variant that differs here."""
        return self.brokers, self.config, self.nodes, self.server, self.settings, tuple(sorted(self.env)), self.tls


@dataclass(frozen=True, slots=True)
class VariantOptions:
    """The options of the command line, each as `NAME=VALUE`, but for `vary`, `PATH=V1,V2`, and `tls`, `NAME`."""

    vary: Sequence[str] = ()
    variants: Sequence[str] = ()
    brokers: Sequence[str] = ()
    configs: Sequence[str] = ()
    nodes: Sequence[str] = ()
    servers: Sequence[str] = ()
    envs: Sequence[str] = ()
    tls: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no option names a variant."""
        return not any(getattr(self, option.name) for option in fields(self))


def parse_variants(asked: VariantOptions) -> tuple[Variant, ...]:
    """
    Return the variants that the options name, in the order in which they name them.

    Raises:
        UsageError: If an option cannot be read, there are fewer than two, or too many.
    """
    named = list(_named(asked))
    varied = list(_product(asked.vary))
    if named and varied:
        raise UsageError("--vary makes variants of its own: leave it, or the options with a name (a=…)")
    variants = tuple(named or varied)
    _check_names(variants)
    if len(variants) < 2:  # noqa: PLR2004  # a comparison is of two
        raise UsageError(
            "nothing to compare: name two variants or more, by --vary PATH=V1,V2, by --variant, --broker, --config, "
            "--env, --nodes, --server or --tls with a name each (a=…), or by compare.variants in the scenario's file"
        )
    if len(variants) > MOST_VARIANTS:
        raise UsageError(f"{len(variants)} variants; allowed {MOST_VARIANTS}, as each is run in every round")
    return variants


def _check_names(variants: Sequence[Variant]) -> None:
    names = [variant.name for variant in variants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two variants would be called {twice[0]!r}; give them names: --variant NAME=PATH=V")
    for variant in variants:
        if variant.brokers and any(variant.broker[1:]):
            raise UsageError(
                f"{variant.name}: --config, --env, --nodes, --server and --tls are for a private broker, "
                "not for --broker"
            )


def _named(asked: VariantOptions) -> Iterable[Variant]:
    options = {
        "--variant": (asked.variants, _set_overrides),
        "--broker": (asked.brokers, _set_broker),
        "--config": (asked.configs, _set_config),
        "--nodes": (asked.nodes, _set_nodes),
        "--server": (asked.servers, _set_server),
        "--env": (asked.envs, _set_env),
    }
    found: dict[str, Variant] = {}
    for option, (texts, put) in options.items():
        for text in texts:
            name, _, value = text.partition("=")
            # A variant without a value is the scenario as it is.
            if not (value or option == "--variant") or not NAME.fullmatch(name):
                raise UsageError(f"{option}: found {text!r}; allowed {_NAMED}")
            found[name] = put(found.get(name, Variant(name)), value)
    for name in asked.tls:
        if not NAME.fullmatch(name):
            raise UsageError(f"--tls: found {name!r}; allowed the name of a variant")
        found[name] = replace(found.get(name, Variant(name)), tls=True)
    return found.values()


def _set_overrides(variant: Variant, value: str) -> Variant:
    return replace(variant, overrides=(*variant.overrides, *_split(value)))


def _set_broker(variant: Variant, value: str) -> Variant:
    return replace(variant, brokers=(*variant.brokers, value))


def _set_config(variant: Variant, value: str) -> Variant:
    path = Path(value)
    if not path.is_file():
        raise UsageError(f"--config {variant.name}: there is no file {value}")
    return replace(variant, config=path.absolute())


def _set_nodes(variant: Variant, value: str) -> Variant:
    if value not in {"1", "3", "5"}:
        raise UsageError(f"--nodes {variant.name}: found {value!r}; allowed 1, 3 or 5")
    return replace(variant, nodes=int(value))


def _set_server(variant: Variant, value: str) -> Variant:
    path = Path(value)
    if not path.exists():
        raise UsageError(f"--server {variant.name}: there is no {value}")
    return replace(variant, server=path.absolute())


def _set_env(variant: Variant, value: str) -> Variant:
    name, sign, text = value.partition("=")
    if not sign:
        raise UsageError(f"--env {variant.name}: found no value; allowed NAME=VAR=VALUE, such as a=ERL_FLAGS=+S 1:1")
    fault = variable_error(name, text)
    if fault is not None:
        raise UsageError(f"--env {variant.name}: found {fault[0]}; allowed {fault[1]}")
    if name in dict(variant.env):
        raise UsageError(f"--env {variant.name}: {name} is told twice")
    return replace(variant, env=(*variant.env, (name, text)))


def variants_of(block: CompareBlock, folder: Path) -> tuple[Variant, ...]:
    """Return the variants of a `compare`, in their order; paths of files are from *folder*, the scenario's."""
    return tuple(_of_entry(name, entry, folder) for name, entry in block.variants.items())


def _of_entry(name: str, entry: VariantEntry, folder: Path) -> Variant:
    is_file = isinstance(entry.config, str)
    settings = {} if entry.config is None or isinstance(entry.config, str) else entry.config
    return Variant(
        name=name,
        overrides=tuple(f"{path}={flow_text(value)}" for path, value in entry.overrides.items()),
        brokers=entry.brokers,
        config=(folder / str(entry.config)).absolute() if is_file else None,
        nodes=entry.nodes,
        server=(folder / entry.server).absolute() if entry.server is not None else None,
        settings=tuple(f"{key} = {value}" for key, value in settings.items()),
        env=tuple(entry.env.items()),
        tls=entry.tls,
    )


def _product(vary: Sequence[str]) -> Iterable[Variant]:
    """Yield a variant for each combination of the values."""
    axes = parse_vary(vary)
    if not axes:
        return
    for combination in itertools.product(*axes.values()):
        chosen = dict(zip(axes, combination, strict=True))
        overrides = tuple(f"{path}={value}" for path, value in chosen.items())
        safe = {path: redacted_override(each).partition("=")[2] for path, each in zip(chosen, overrides, strict=True)}
        yield Variant(name_of(safe), overrides)


def parse_vary(vary: Sequence[str]) -> dict[str, list[str]]:
    """
    Return the values of each path, as `PATH=V1,V2` names them; commas within brackets or quotes part nothing.

    Raises:
        UsageError: If one cannot be read, or a path comes twice.
    """
    axes: dict[str, list[str]] = {}
    for text in vary:
        path, sign, values = text.partition("=")
        split = _split(values)
        if not sign or not path or not split:
            raise UsageError(
                f"--vary: found {text!r}; allowed PATH=V1,V2, such as topology.queues.q.type=classic,quorum"
            )
        if path in axes:
            raise UsageError(f"--vary: {path} is varied twice; name all of its values in one: {path}=V1,V2")
        axes[path] = split
    return axes


def name_of(chosen: Mapping[str, str]) -> str:
    """Return a short name of a combination: the values, with the last part of their paths where there are several."""
    if len(chosen) == 1:
        (value,) = chosen.values()
        return _tidy(value)
    return "+".join(f"{path.rpartition('.')[2]}={_tidy(value)}" for path, value in chosen.items())


def _tidy(value: str) -> str:
    tidy = re.sub(r"[^A-Za-z0-9._-]+", "-", value).strip("-.")
    return tidy[:40] or "value"


def broker_text(variant: Variant, result: RunResult | None) -> str:
    """Return what the broker of a variant is, which has no secrets in it (`shown_variant`)."""
    told = () if result is None else (result.broker.get(key) for key in ("product", "version"))
    product = " ".join(str(each) for each in told if each)
    own = [f"{variant.nodes} nodes"] if variant.nodes else []
    own += [f"config {variant.config.name}"] if variant.config else []
    own += [*variant.settings, *(f"{name}={value}" for name, value in variant.env)]
    own += ["over TLS"] if variant.tls else []
    where = ", ".join(variant.brokers) or ", ".join(["private", *own])
    return f"{product}, {where}".strip(", ")


def _split(text: str) -> list[str]:
    """Return the parts between commas, but for those within brackets or quotes."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if sign in _QUOTES and quote in {"", sign}:
            quote = "" if quote else sign
        depth += 0 if quote else (sign in "[{(") - (sign in "]})")
        if sign == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]
