"""
The leaves of the grammar: the types of single values, each with its reading, its writing and its JSON Schema.

A leaf says what is allowed in words, and is strict: `1` is not text and `"1"` is not a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from loadtest.fields import MAX_SHORT_STRING_BYTES, encode_table
from loadtest.scenario.grammar import quantity
from loadtest.scenario.loading.error_detail import ErrorDetail, detail_error, details_error, near_miss, shown
from loadtest.scenario.sequence import NUMBER, numbered
from loadtest.scenario.values import Ack

GROUP_NAME_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
MAX_SHORT_TEXT_BYTES: Final = MAX_SHORT_STRING_BYTES  # AMQP 0-9-1, 4.2.5.3: its length is one octet
# A table goes in one frame, which has 131,072 bytes by default; the rest is room for names, other properties and the
# stamp.
MAX_TABLE_BYTES: Final = 128_000
MAX_ACK_EVERY: Final = 65_535
_INT64: Final = 1 << 63


def _quantity(parse: Callable[[str], Any], allowed: str) -> PlainValidator:
    def read(value: object) -> Any:
        if not isinstance(value, str):
            raise detail_error(shown(value), allowed)
        try:
            return parse(value)
        except quantity.QuantityError as error:
            raise detail_error(shown(value), str(error)) from None

    return PlainValidator(read)


def _schema(pattern: str, text: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": text})


Nanoseconds = Annotated[
    int,
    _quantity(quantity.parse_duration, quantity.DURATION_ALLOWED),
    PlainSerializer(quantity.format_duration),
    _schema(quantity.DURATION_PATTERN, quantity.DURATION_ALLOWED),
]
Bytes = Annotated[
    int,
    _quantity(quantity.parse_size, quantity.SIZE_ALLOWED),
    PlainSerializer(quantity.format_size),
    _schema(quantity.SIZE_PATTERN, quantity.SIZE_ALLOWED),
]
PerSecond = Annotated[
    Fraction,
    _quantity(quantity.parse_rate, quantity.RATE_ALLOWED),
    PlainSerializer(quantity.format_rate),
    _schema(quantity.RATE_PATTERN, quantity.RATE_ALLOWED),
]
BytesPerSecond = Annotated[
    int,
    _quantity(quantity.parse_bandwidth, quantity.BANDWIDTH_ALLOWED),
    PlainSerializer(quantity.format_bandwidth),
    _schema(quantity.BANDWIDTH_PATTERN, quantity.BANDWIDTH_ALLOWED),
]

Share = Annotated[
    Fraction,
    _quantity(quantity.parse_share, quantity.SHARE_ALLOWED),
    PlainSerializer(quantity.format_share),
    _schema(quantity.SHARE_PATTERN, quantity.SHARE_ALLOWED),
]


def _above_zero(unit: str) -> AfterValidator:
    def check(value: Any) -> Any:
        if value == 0:
            raise detail_error(f"0{unit}", f"more than 0{unit}")
        return value

    return AfterValidator(check)


def _whole_ms(value: int) -> int:
    if value % 1_000_000:
        raise detail_error("a fraction of a millisecond", "whole milliseconds, such as 20ms")
    return value


SomeNanoseconds = Annotated[Nanoseconds, _above_zero("ms")]
SomeBytesPerSecond = Annotated[BytesPerSecond, _above_zero("B/s")]
SomePerSecond = Annotated[PerSecond, _above_zero("/s")]
Milliseconds = Annotated[Nanoseconds, AfterValidator(_whole_ms)]  # in ns all the same


def whole(low: int, high: int, of: str = "") -> tuple[PlainValidator, WithJsonSchema]:
    """Return the validator and schema of a whole number from `low` to `high`; `of` says what it counts."""
    allowed = f"a whole number{of and ' of '}{of} from {low} to {high}"

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise detail_error(shown(value), allowed)
        return value

    return PlainValidator(read), WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


def one_of(*words: str) -> BeforeValidator:
    """Return the validator of a choice."""

    def read(value: object) -> object:
        if value not in words:
            meant = near_miss(value, words) if isinstance(value, str) else None
            raise detail_error(shown(value), " or ".join(words), meant)
        return value

    return BeforeValidator(read)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise detail_error(shown(value), "true or false")
    return value


Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        raise detail_error(f"{shown(value)}, which is no text in YAML", f'text, in quotes: "{shown(value)}"')
    raise detail_error(shown(value), "text")


def _short_text(value: object) -> str:
    text = _text(value)
    size = len(text.encode())
    if size > MAX_SHORT_TEXT_BYTES:
        raise detail_error(f"a text of {size} bytes", f"at most {MAX_SHORT_TEXT_BYTES} bytes, as AMQP has it")
    return text


def _entity(value: object) -> str:
    name = _short_text(value)
    if not name or not name.isprintable():
        raise detail_error(shown(name), "a name of printable signs")
    return name


def _entity_or_default(value: object) -> str:
    return "" if value == "" else _entity(value)


def _group_name(value: object) -> str:
    name = _text(value)
    if not re.fullmatch(GROUP_NAME_PATTERN, name, re.ASCII):
        raise detail_error(shown(name), "a group's name: a letter, then up to 63 letters, digits, _ and -")
    return name


Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string"})]
ShortText = Annotated[str, PlainValidator(_short_text), WithJsonSchema({"type": "string", "maxLength": 255})]
EntityName = Annotated[
    str, PlainValidator(_entity), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255})
]
EntityOrDefault = Annotated[
    str, PlainValidator(_entity_or_default), WithJsonSchema({"type": "string", "maxLength": 255})
]
GroupName = Annotated[str, PlainValidator(_group_name), _schema(GROUP_NAME_PATTERN, "a group's name")]


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise detail_error(shown(value), "a mapping of names to values")
    details = list(_table_errors(value, ()))
    if details:
        raise details_error(details)
    size = len(encode_table(value))
    if size > MAX_TABLE_BYTES:
        raise detail_error(f"a table of {size} bytes", f"at most {MAX_TABLE_BYTES} bytes, as it has to fit in a frame")
    return value


def _table_errors(value: object, path: tuple[str | int, ...]) -> Sequence[ErrorDetail]:
    """Return what AMQP 0-9-1 cannot carry in a field table (4.2.5.5, with RabbitMQ's types)."""
    if isinstance(value, dict):
        own = [
            ErrorDetail((*path, key), f"a name of {len(key.encode())} bytes", f"at most {MAX_SHORT_TEXT_BYTES} bytes")
            for key in value
            if len(key.encode()) > MAX_SHORT_TEXT_BYTES
        ]
        return own + [detail for key, item in value.items() for detail in _table_errors(item, (*path, key))]
    if isinstance(value, list):
        return [detail for at, item in enumerate(value) for detail in _table_errors(item, (*path, at))]
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return [ErrorDetail(path, shown(value), "a whole number of 64 bits")]
    if isinstance(value, float) and value - value != 0:  # infinite, or not a number: RabbitMQ ends the connection
        return [ErrorDetail(path, shown(value), "a finite number")]
    return []


def numbered_error(pattern: str, most: int, path: tuple[str | int, ...]) -> ErrorDetail | None:
    """Return what is wrong with a name or routing key that is short enough only until `%d` is a number up to *most*."""
    size = len(numbered(pattern, most).encode())
    if size <= MAX_SHORT_TEXT_BYTES:
        return None
    allowed = f"at most {MAX_SHORT_TEXT_BYTES} bytes, as AMQP has it"
    return ErrorDetail(path, f"a text of {size} bytes with {most} in the place of {NUMBER}", allowed)


Table = Annotated[
    dict[str, object],
    PlainValidator(_table),
    PlainSerializer(lambda table: table),
    WithJsonSchema({"type": "object", "description": "an AMQP field table: names to values"}),
]


def _ack(value: object) -> Ack:
    if isinstance(value, Ack):
        return value
    if value in ("auto", "none"):
        return Ack("auto" if value == "auto" else "none")
    match = re.fullmatch(r"every ([0-9]{1,5})", value, re.ASCII) if isinstance(value, str) else None
    if match is None or not 1 <= int(match.group(1)) <= MAX_ACK_EVERY:
        raise detail_error(shown(value), f"auto, none, or every N (1 to {MAX_ACK_EVERY}), such as every 50")
    return Ack("every", int(match.group(1)))


AckRule = Annotated[
    Ack,
    PlainValidator(_ack),
    PlainSerializer(str),
    WithJsonSchema(
        {"type": "string", "pattern": "^(auto|none|every [0-9]{1,5})$", "description": "auto, none or every N"}
    ),
]

Users = Annotated[int, *whole(1, 100_000, "users")]
Messages = Annotated[int, *whole(1, 1_000_000_000_000, "messages")]
as_tuple: Final = Field(strict=False)  # YAML has lists; frozen models have tuples
