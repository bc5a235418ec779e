"""The base of the grammar's models: frozen, strict, unknown keys are errors, and a key without a value is not given."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Part(BaseModel):
    """A mapping of the scenario. Keys are the aliases; attribute names carry the unit."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        # `messages:` with nothing behind it, and `--set publishers.shop.messages=null`, take the option away.
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


def entries(value: Any) -> Any:
    """Return a map of named things in which a name without a value (`orders:`) stands for its defaults."""
    return {key: {} if item is None else item for key, item in value.items()} if isinstance(value, dict) else value
