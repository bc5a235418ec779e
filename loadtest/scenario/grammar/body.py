"""
Message bodies: what the author may ask for, and the bytes that come of it.

The bytes depend on the scenario alone (and on its files): the same seed gives the same bodies in every process.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Self

from pydantic import (
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from loadtest.errors import ScenarioError
from loadtest.scenario.grammar.leaf import Bytes, Text
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.grammar.quantity import MAX_SIZE_BYTES
from loadtest.scenario.loading.error_detail import ErrorDetail, detail_error, details_error, shown, words_of

BODY_KINDS: Final = ("text", "json", "file", "size", "random")

# Random bodies of one group: so many differ before they come again, or as many as fit in so many bytes.
RANDOM_BODIES: Final = 256
RANDOM_BYTES: Final = 8_000_000
_FILLING: Final = b"abcdefghijklmnopqrstuvwxyz012345"


@dataclass(frozen=True, slots=True)
class Json:
    """A value of JSON: `null` is one, and no body is none."""

    value: object


def _json(value: object) -> Json:
    if isinstance(value, Json):
        return value
    details = _json_errors(value, ())
    if details:
        raise details_error(details)
    return Json(value)


def _json_errors(value: object, path: tuple[str | int, ...]) -> list[ErrorDetail]:
    if isinstance(value, dict):
        return [detail for key, item in value.items() for detail in _json_errors(item, (*path, key))]
    if isinstance(value, list):
        return [detail for at, item in enumerate(value) for detail in _json_errors(item, (*path, at))]
    if isinstance(value, float) and value - value != 0:  # infinite, or not a number
        return [ErrorDetail(path, shown(value), "a finite number, as JSON has it")]
    return []


class Sizes(Part):
    """Sizes drawn evenly from `min` to `max`, both included."""

    min_bytes: Bytes = Field(alias="min", description="the smallest size, such as 100B")
    max_bytes: Bytes = Field(alias="max", description="the largest size, such as 2KB")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_bytes > self.max_bytes:
            raise detail_error("a min above max", "min at most max")
        return self


def _tag(value: object) -> str:
    return "<sizes>" if isinstance(value, dict | Sizes) else "<size>"


class Body(Part):
    """A body: exactly one of text, json, file, size (synthetic) and random."""

    text: Text | None = Field(None, description="the text itself, in UTF-8")
    json_value: Annotated[
        Json | None,
        PlainValidator(_json),
        PlainSerializer(lambda given: None if given is None else given.value),
        WithJsonSchema({}),
    ] = Field(None, alias="json", description="serialized compactly; a text is sent unchanged")
    file: Text | None = Field(
        None, description="a file's content; the path is relative to the scenario's folder, and below it"
    )
    sha256: Text | None = Field(None, description="of the file; filled in when the scenario is loaded")
    size: Bytes | None = Field(None, description="synthetic: the same printable bytes in every message")
    random: (
        Annotated[Annotated[Bytes, Tag("<size>")] | Annotated[Sizes, Tag("<sizes>")], Discriminator(_tag)] | None
    ) = Field(None, description="synthetic: random bytes that do not compress; a size, or {min, max}")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """Take options without a value away, as every part does, but for the only one whose value may be null."""
        if not isinstance(value, dict):
            return value
        given = {key: item for key, item in value.items() if item is not None}
        is_null = "json" in value and not given.keys() & set(BODY_KINDS)
        return {**given, "json": Json(None)} if is_null else given

    @model_validator(mode="before")
    @classmethod
    def _known_file(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("file"), str):
            return value
        folder = (info.context or {}).get("folder", FilePath())
        if folder is None:
            return value
        name, content = read_body_file(folder, value["file"])
        found = hashlib.sha256(content).hexdigest()
        if isinstance(value.get("sha256"), str) and value["sha256"] != found:
            raise details_error(
                [ErrorDetail(("sha256",), f"a file whose SHA-256 is {found}", "the file that was meant")]
            )
        return {**value, "file": name, "sha256": found}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in BODY_KINDS if self._value(kind) is not None]
        if len(given) != 1:
            raise detail_error(" and ".join(given) or "no body", f"one of {', '.join(BODY_KINDS)}")
        if self.sha256 is not None and self.file is None:
            raise detail_error("sha256 without a file", "sha256 beside file only")
        return self

    def _value(self, kind: str) -> object:
        return self.json_value if kind == "json" else getattr(self, kind)

    @property
    def is_synthetic(self) -> bool:
        """Whether the bytes mean nothing, so that a stamp may stand in their place."""
        return self.size is not None or self.random is not None

    @property
    def smallest_bytes(self) -> int | None:
        """The smallest size of a synthetic body; None of others."""
        return (
            self.random.min_bytes if isinstance(self.random, Sizes) else self.random if self.size is None else self.size
        )


def read_body_file(folder: FilePath, name: str) -> tuple[str, bytes]:
    """
    Return a body file's path below *folder*, as written in a scenario there, and its content.

    A scenario may come from somebody else, and what it sends goes to a broker: so it can name files of its own folder
    and below only, wherever links lead, and only what ends: no device and no pipe is opened.

    Raises:
        PydanticCustomError: An error of `file`, if it cannot be read.
    """
    allowed = f"a readable file of at most {MAX_SIZE_BYTES} bytes"
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
        is_below = path.is_relative_to(root)
        content = _read(path) if is_below else None
    except (OSError, ValueError, RuntimeError) as error:  # a NUL or a lone surrogate in it; a loop of links
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _file_error(f"{shown(name)} ({reason})", allowed) from None
    if not is_below:
        raise _file_error(f"{shown(name)}, which is not below the scenario's folder", "a file below that folder")
    if content is None:
        raise _file_error(f"{shown(name)}, which is none", allowed)
    return path.relative_to(root).as_posix(), content


def _file_error(found: str, allowed: str) -> PydanticCustomError:
    return details_error([ErrorDetail(("file",), found, allowed)])


def _read(path: FilePath) -> bytes | None:
    """Return a file's content; None if it is no file, or too large for a message."""
    if not path.is_file():
        return None  # said before it is opened: opening a device may do something
    # What is opened is looked at again: in the meantime a pipe, at which a reader waits, may have come in its place.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        content = file.read(MAX_SIZE_BYTES + 1)
    return content if len(content) <= MAX_SIZE_BYTES else None


def make_bodies(body: Body, seed: int, group: str, folder: FilePath) -> tuple[bytes, ...]:
    """
    Return the cycle of bodies that the messages of a group take in turn.

    Args:
        body: As the scenario has it.
        seed: Of the run.
        group: Its name.
        folder: Of the scenario, which the path of a body's file is relative to.

    Raises:
        ScenarioError: If a body's file has changed since the scenario was loaded.
    """
    if body.file is not None:
        return (_file_content(body, folder),)
    if body.text is not None:
        return (body.text.encode(),)
    if body.size is not None:
        return ((_FILLING * (body.size // len(_FILLING) + 1))[: body.size],)
    if body.random is not None:
        return _random_bodies(body.random, random.Random(f"{seed} {group} body"))  # noqa: S311 - repeatable, no secret
    value = body.json_value.value if body.json_value is not None else None
    if isinstance(value, str):
        return (value.encode(),)
    return (json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(),)


def _file_content(body: Body, folder: FilePath) -> bytes:
    try:
        _, content = read_body_file(folder, body.file or "")
    except PydanticCustomError as error:
        raise ScenarioError(f"{folder / (body.file or '')}: {words_of(error)}") from error
    if hashlib.sha256(content).hexdigest() != body.sha256:
        raise ScenarioError(
            f"{folder / (body.file or '')}: found another content; allowed the file that was there when it was loaded"
        )
    return content


def _random_bodies(sizes: int | Sizes, draw: random.Random) -> tuple[bytes, ...]:
    low, high = (sizes.min_bytes, sizes.max_bytes) if isinstance(sizes, Sizes) else (sizes, sizes)
    most = max(1, min(RANDOM_BODIES, RANDOM_BYTES // max(1, (low + high) // 2)))
    return tuple(draw.randbytes(draw.randint(low, high)) for _ in range(most))
