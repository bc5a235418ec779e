"""
The grammar of `compare`: what `loadtest compare` does with a scenario's file unless its command line says otherwise.

Variants are differences; how they are run is the room `compare`'s. A run of the scenario takes nothing from here.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from loadtest.scenario.grammar.leaf import Flag, Share, Text, as_tuple, one_of, whole
from loadtest.scenario.grammar.node_environment import variable_error
from loadtest.scenario.grammar.part import Part, entries
from loadtest.scenario.grammar.threshold import parse_figure
from loadtest.scenario.loading.error_detail import ErrorDetail, detail_error, details_error, listed, near_miss, shown

VARIANT_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._=+-]{0,63}$"
LEAST_VARIANTS: Final = 2
MOST_VARIANTS: Final = 12
LEAST_ROUNDS: Final = 2
MOST_REPEATS: Final = 10
MOST_ROUNDS: Final = 1000
DEFAULT_ROUNDS: Final = 5
DEFAULT_MAX_ROUNDS: Final = 20
_SETTING_NAME: Final = re.compile(r"[A-Za-z0-9_.$/-]{1,200}", re.ASCII)
_NODES: Final = (1, 3, 5)
_PRIVATE: Final = ("config", "env", "nodes", "server", "tls")


def _variant_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(VARIANT_PATTERN, value, re.ASCII):
        raise detail_error(
            shown(value), "a name of at most 64 letters, digits, ., _, =, + and -, a letter or digit first"
        )
    return value


def _overrides(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise detail_error(shown(value), "a mapping of paths to values, such as {run.duration: 10s}")
    return value


def _brokers(value: object) -> tuple[str, ...]:
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list | tuple) or not urls or not all(isinstance(url, str) and url for url in urls):
        raise detail_error(shown(value), "an AMQP URL, or a list of those of all nodes")
    return tuple(urls)


def _config(value: object) -> str | dict[str, str]:
    """Return the path of a file, or settings as rabbitmq.conf writes them."""
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, dict):
        raise detail_error(shown(value), "settings of rabbitmq.conf, such as {heartbeat: 30}, or the path of a file")
    found = [_setting_error(key, item) for key, item in value.items()]
    details = [detail for detail in found if detail is not None]
    if details:
        raise details_error(details)
    return {key: _written(item) for key, item in value.items()}


def _setting_error(key: str, value: object) -> ErrorDetail | None:
    if not _SETTING_NAME.fullmatch(key):
        return ErrorDetail((key,), f"the key {shown(key)}", "a key of rabbitmq.conf, such as channel_max")
    if not isinstance(value, str | bool | int | float) or "\n" in str(value):
        return ErrorDetail((key,), shown(value), "text in one line, a number, true or false")
    return None


def _env(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise detail_error(shown(value), "a mapping of variables to values")
    details = []
    for name, item in value.items():
        if not isinstance(item, str | bool | int | float):
            details.append(ErrorDetail((name,), shown(item), "text, a number, true or false"))
        elif (detail := variable_error(name, _written(item))) is not None:
            details.append(ErrorDetail((name,), *detail))
    if details:
        raise details_error(details)
    return {name: _written(item) for name, item in value.items()}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _variant_nodes(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _NODES:
        raise detail_error(shown(value), "1, 3 or 5 nodes")
    return value


def _metric(value: object) -> str:
    if not isinstance(value, str):
        raise detail_error(shown(value), "a figure, such as shop.confirm.p99")
    metric, _ = parse_figure(value)
    if metric.kind == "total" or metric.stat == "count":
        raise detail_error(f"the count {shown(value)}", "a figure of which more or less is better, such as a rate")
    return value.strip()


_MAPPING: Final = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
VariantName = Annotated[
    str, PlainValidator(_variant_name), WithJsonSchema({"type": "string", "pattern": VARIANT_PATTERN})
]
Rounds = Annotated[int, *whole(LEAST_ROUNDS, MOST_ROUNDS, "rounds")]


class VariantEntry(Part):
    """One side of a comparison: what of the scenario, or of its broker, is otherwise."""

    overrides: Annotated[dict[str, Any], PlainValidator(_overrides), WithJsonSchema({"type": "object"})] = Field(
        default_factory=dict, alias="set", description="values of the scenario by their path, as with --set"
    )
    brokers: Annotated[
        tuple[str, ...],
        PlainValidator(_brokers),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field((), alias="broker", description="AMQP URL of its broker, or those of its nodes")
    config: (
        Annotated[
            str | dict[str, str], PlainValidator(_config), WithJsonSchema({"anyOf": [{"type": "string"}, _MAPPING]})
        ]
        | None
    ) = Field(None, description="of its private broker: settings of rabbitmq.conf, or the path of a file")
    env: Annotated[dict[str, str], PlainValidator(_env), WithJsonSchema(_MAPPING)] = Field(
        default_factory=dict, description="of its private broker: environment variables of its nodes"
    )
    nodes: Annotated[int, PlainValidator(_variant_nodes), WithJsonSchema({"enum": list(_NODES)})] | None = Field(
        None, description="of its private broker"
    )
    server: Text | None = Field(None, description="of its private broker: a RabbitMQ installation")
    tls: Flag = Field(default=False, description="clients connect to its private broker over TLS")

    @model_validator(mode="after")
    def _one_broker(self) -> Self:
        private = [name for name in _PRIVATE if getattr(self, name)]
        if self.brokers and private:
            raise detail_error(
                f"broker beside {' and '.join(private)}", "broker alone: the others are of a private one"
            )
        return self


class CompareBlock(Part):
    """What is compared, and how; what is left out is as `loadtest compare` has it."""

    variants: Annotated[dict[VariantName, VariantEntry], BeforeValidator(entries)] = Field(
        default_factory=dict, description="by name; an empty one is the scenario itself"
    )
    baseline: Text | None = Field(
        None, description="the variant that the others are compared with; the first by default"
    )
    rounds: Rounds | None = Field(None, description="number of rounds, each two trials of every variant")
    max_rounds: Rounds | None = Field(None, description="most rounds with until_decided")
    until_decided: Flag = Field(default=False, description="continue until every figure is decided, or for max_rounds")
    repeat_marked: Annotated[int, *whole(0, MOST_REPEATS, "tries")] = Field(
        0, description="how often to repeat a block at most if one of its trials was marked"
    )
    restart: Annotated[Literal["each"] | None, one_of("each")] = Field(
        None, description="each: a new private broker for each trial"
    )
    metrics: Annotated[
        tuple[Annotated[str, PlainValidator(_metric), WithJsonSchema({"type": "string"})], ...], as_tuple
    ] = Field((), description="the figures to compare")
    min_effect: Share | None = Field(None, description="the smallest change that counts as a difference, such as 5%")
    fail_on: Annotated[Literal["worse", "slower"] | None, one_of("worse", "slower")] = Field(
        None, description="worse, or slower, which is the same: exit with 1 if a figure is worse"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        details = [*self._variant_errors()]
        rounds, most = self.rounds or DEFAULT_ROUNDS, self.max_rounds or DEFAULT_MAX_ROUNDS
        if self.until_decided and most < rounds:
            where = "max_rounds" if self.max_rounds is not None else "rounds"
            details.append(ErrorDetail((where,), f"{most} rounds at most, of {rounds}", "max_rounds not below rounds"))
        if self.min_effect is not None and self.min_effect > 1:
            details.append(ErrorDetail(("min_effect",), "more than 100%", "0% to 100%"))
        if details:
            raise details_error(details)
        return self

    def _variant_errors(self) -> list[ErrorDetail]:
        if not self.variants:
            return []
        details = []
        if not LEAST_VARIANTS <= len(self.variants) <= MOST_VARIANTS:
            allowed = f"{LEAST_VARIANTS} to {MOST_VARIANTS} variants"
            details.append(ErrorDetail(("variants",), f"{len(self.variants)} of them", allowed))
        if self.baseline is not None and self.baseline not in self.variants:
            meant = near_miss(self.baseline, self.variants)
            details.append(ErrorDetail(("baseline",), shown(self.baseline), listed(self.variants), meant))
        for name, variant in self.variants.items():
            if self.restart is not None and variant.brokers:
                details.append(
                    ErrorDetail(("variants", name, "broker"), "a broker that is named", "none with restart: each")
                )
        return details


def min_effect_of(block: CompareBlock) -> float | None:
    """Return the effect that counts, as a share."""
    return None if block.min_effect is None else float(Fraction(block.min_effect))
