"""
One fault of a scenario: where it is, what was found there and what is allowed.

Knows neither YAML nor the grammar. Validators raise a fault through pydantic as `fault_error(...)`;
`loadtest.scenario.explain` gives it its place in the file.
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

from loadtest.redaction import redacted

Path = tuple[str | int, ...]
"""Keys and list positions from the root of a scenario to a value."""

FAULT_TYPE: Final = "fault"
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_%-]+")
_LONGEST_FOUND: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at `path`, of the variant `of` where there is one; `meant` is the near miss."""

    path: Path
    found: str
    allowed: str
    meant: str | None = None
    of: str = ""

    def line(self, place: str) -> str:
        """Return the fault as the user reads it, where `place` is `FILE:LINE`."""
        where = f"{self.of}: {path_text(self.path)}" if self.of else path_text(self.path)
        return f"{place}: {where}: {self.words}"

    @property
    def words(self) -> str:
        """What was found, what is allowed, and the near miss."""
        hint = f"; did you mean {self.meant}?" if self.meant is not None else ""
        return f"found {self.found}; allowed {self.allowed}{hint}"


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
        value = redacted(value)  # before it is cut, which could take the @ of a URL and leave the password
        text = json.dumps(value, ensure_ascii=False) if value.isprintable() else json.dumps(value)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…"


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` was probably meant to be, quoted; None if nothing is near."""
    # difflib takes its time, and tens of thousands of faults may ask: a long word is nobody's typing error, and of many
    # names the first will do.
    names = islice((name for name in known if name != word), 100)
    matches = get_close_matches(word[:100], names, n=1, cutoff=0.6)
    return shown(matches[0]) if matches else None


def listed(words: Iterable[str], *, most: int = 12) -> str:
    """Return words as a list in a sentence, cut where it would fill the screen."""
    names = list(words)
    text = ", ".join(names[:most])
    return f"{text}, and {len(names) - most} more" if len(names) > most else text


def fault_error(found: str, allowed: str, meant: str | None = None) -> PydanticCustomError:
    """Return the error with which a validator refuses the value that it was given."""
    return faults_error([Fault((), found, allowed, meant)])


def words_of(error: PydanticCustomError) -> str:
    """Return what an error of `fault_error` says, without the place that it has in a file."""
    faults: tuple[Fault, ...] = (error.context or {})["faults"]
    return "; ".join(fault.words for fault in faults)


def faults_error(faults: Sequence[Fault]) -> PydanticCustomError:
    """Return the error with which a validator refuses several values, each at its path below the validated one."""
    return PydanticCustomError(FAULT_TYPE, "{text}", {"text": faults[0].line(""), "faults": tuple(faults)})
