"""
One error of a scenario: where it is, what was found there and what is allowed.

Knows neither YAML nor the grammar. Validators raise an error through pydantic as `detail_error(...)`;
`loadtest.scenario.loading.explain` gives it its place in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Final

from pydantic_core import PydanticCustomError

from loadtest.redaction import REDACTED, names_secret, redacted_value

Path = tuple[str | int, ...]
"""Keys and list positions from the root of a scenario to a value."""

DETAIL_TYPE: Final = "detail"
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_%-]+")
_LONGEST_FOUND: Final = 60
# A value as `shown` writes it: a text in quotes, perhaps cut, or a number.
_QUOTED_VALUE: Final = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|…|$)|(?<![\w.])[-+]?\d[\w.+-]*")
DATA: Final = frozenset({"arguments", "body", "config", "env", "headers", "json", "properties", "reason", "variables"})
"""Keys that hold values of the author's own, any of which may be a secret."""

_NAMED: Final = frozenset({"exchanges", "queues", "publishers", "consumers", "getters", "variants"})
"""Keys that hold things by names that the author gives them."""


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """Something wrong at `path`, of the variant `of` where there is one; `meant` is the near miss."""

    path: Path
    found: str
    allowed: str
    meant: str | None = None
    of: str = ""

    def line(self, place: str) -> str:
        """Return the error as the user reads it, where `place` is `FILE:LINE`."""
        where = f"{self.of}: {path_text(self.path)}" if self.of else path_text(self.path)
        words = _QUOTED_VALUE.sub(REDACTED, self.words) if is_secret(self.path) else self.words
        return f"{place}: {where}: {words}"

    @property
    def words(self) -> str:
        """What was found, what is allowed, and the near miss."""
        hint = f"; did you mean {self.meant}?" if self.meant is not None else ""
        return f"found {self.found}; allowed {self.allowed}{hint}"


def is_secret(path: Path) -> bool:
    """
    Return whether a path, or the end of one, leads to a secret: by a key that names one, such as `password`.

    The name of a thing, such as a queue, names no secret, whatever it is; within data any key may.
    """
    for at, step in enumerate(path):
        is_data = any(before in DATA for before in path[:at])
        is_name = not is_data and at > 0 and path[at - 1] in _NAMED
        if isinstance(step, str) and names_secret(step) and not is_name and (is_data or at == len(path) - 1):
            return True
    return False


def path_text(path: Path) -> str:
    """Return a path as `--set` takes it: `topology.bindings[0].queue`; a key with unusual signs is quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if _PLAIN_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=True)
            text += f".{key}" if text else key
    return text or "scenario"


def shown(value: object) -> str:
    """Return a value as it is named in an error: short, on one line, in YAML's spelling."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value = redacted_value(value)  # before it is cut, which could take the @ of a URL and leave the password
        text = json.dumps(value, ensure_ascii=False) if value.isprintable() else json.dumps(value)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…"


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` was probably meant to be, quoted; None if nothing is near."""
    # difflib takes its time, and tens of thousands of errors may ask: a long word is nobody's typing error, and of many
    # names the first will do.
    names = islice((name for name in known if name != word), 100)
    matches = get_close_matches(word[:100], names, n=1, cutoff=0.6)
    return shown(matches[0]) if matches else None


def listed(words: Iterable[str], *, most: int = 12) -> str:
    """Return words as a list in a sentence, cut where it would fill the screen."""
    names = list(words)
    text = ", ".join(names[:most])
    return f"{text}, and {len(names) - most} more" if len(names) > most else text


def detail_error(found: str, allowed: str, meant: str | None = None) -> PydanticCustomError:
    """Return the error with which a validator refuses the value that it was given."""
    return details_error([ErrorDetail((), found, allowed, meant)])


def words_of(error: PydanticCustomError) -> str:
    """Return what an error of `detail_error` says, without the place that it has in a file."""
    details: tuple[ErrorDetail, ...] = (error.context or {})["details"]
    return "; ".join(detail.words for detail in details)


def details_error(details: Sequence[ErrorDetail]) -> PydanticCustomError:
    """Return the error with which a validator refuses several values, each at its path below the validated one."""
    return PydanticCustomError(DETAIL_TYPE, "{text}", {"text": details[0].line(""), "details": tuple(details)})
