"""
pika's encoder and decoder, made to carry all that AMQP does; in effect from the import of this module on.

pika cannot send a number with a fraction, and it fails on what other programs send without harm: a timestamp in
milliseconds, infinity, a field type that it does not know. Its failure ends the connection, the message goes back to
its queue, and comes again. Here field tables become `loadtest.fields`, content headers keep what could be read of them,
and names and texts that the broker sends are always text.

The hooks are pika's own module functions, its registry of content classes and the decoders of eight methods, so that
every way in and out has them: the bulk client, `pika.BlockingConnection`, declarations, and a locustfile's own pika.
`tests/unit/wire/test_pika_hooks.py` says what is relied on. Rejected: a frame decoder beside pika's, which its
BlockingConnection would not use.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from pika import data, spec

from loadtest import fields

# Where the broker puts names, and reasons: it cuts these at 255 bytes, which may be within a character.
_TEXTS: Final[Mapping[Any, tuple[str, ...]]] = {
    spec.Connection.Close: ("reply_text",),
    spec.Connection.Blocked: ("reason",),
    spec.Channel.Close: ("reply_text",),
    spec.Basic.Return: ("reply_text", "exchange", "routing_key"),
    spec.Basic.Deliver: ("consumer_tag", "exchange", "routing_key"),
    spec.Basic.GetOk: ("exchange", "routing_key"),
    spec.Basic.Cancel: ("consumer_tag",),
    spec.Queue.DeclareOk: ("queue",),
}


class ContentProperties(spec.BasicProperties):  # type: ignore[misc]  # pika.spec is not typed
    """The properties of a message that was received: those that can be read; those behind them are None."""

    def decode(self, encoded: bytes, offset: int = 0) -> ContentProperties:
        """Read the property flags and the properties from *offset* on."""
        with contextlib.suppress(fields.FieldError, struct.error, IndexError):
            super().decode(encoded, offset)
        return self


def _encode_table(pieces: list[bytes], table: Mapping[str, Any] | None) -> int:
    pieces.append(fields.encode_table(table))
    return len(pieces[-1])


def _encode_value(pieces: list[bytes], value: Any) -> int:
    pieces.append(fields.encode_value(value))
    return len(pieces[-1])


def _with_texts(decode: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    def decode_with_texts(self: Any, encoded: bytes, offset: int = 0) -> Any:
        decode(self, encoded, offset)
        for name in names:
            value = getattr(self, name)
            if isinstance(value, bytes):
                setattr(self, name, value.decode(errors="replace"))
        return self

    return decode_with_texts


def _install() -> None:
    data.encode_table, data.encode_value = _encode_table, _encode_value
    data.decode_table, data.decode_value = fields.decode_table, fields.decode_value
    spec.props[spec.BasicProperties.INDEX] = ContentProperties
    for method, names in _TEXTS.items():
        method.decode = _with_texts(method.decode, names)


_install()
