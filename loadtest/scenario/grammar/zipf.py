"""Routing keys by a Zipf distribution: key number k comes in proportion to 1 / k^s."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Annotated, Final

from pydantic import Field, PlainValidator, WithJsonSchema

from loadtest.scenario.grammar.leaf import ShortText, whole
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.loading.error_detail import detail_error, shown

# A cycle this long keeps the shares of up to 10,000 keys and costs a publisher 80 kB at most.
CYCLE: Final = 10_000
_MAX_S: Final = 10


def _exponent(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_S:
        raise detail_error(shown(value), f"a number from 0 (all keys alike) to {_MAX_S}")
    return float(value)


class Zipf(Part):
    """A number of keys, named by `key` with `%d` from 1, and the exponent of their distribution."""

    keys: Annotated[int, *whole(1, CYCLE, "keys")] = Field(description=f"a whole number of keys from 1 to {CYCLE}")
    s: Annotated[
        float, PlainValidator(_exponent), WithJsonSchema({"type": "number", "minimum": 0, "maximum": _MAX_S})
    ] = 1.0
    key: ShortText = Field("key-%d", description="the keys' name; %d is the number, 1 the most frequent")


def zipf_keys(zipf: Zipf, seed: int, group: str) -> tuple[str, ...]:
    """Return the cycle of `CYCLE` keys that the messages of a group take in turn, drawn by the seed."""
    weights = list(accumulate(number**-zipf.s for number in range(1, zipf.keys + 1)))
    names = [zipf.key.replace("%d", str(number)) for number in range(1, zipf.keys + 1)]
    draw = random.Random(f"{seed} {group} routing_key")  # noqa: S311 - repeatable, no secret
    return tuple(draw.choices(names, cum_weights=weights, k=CYCLE))
