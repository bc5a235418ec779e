"""`result.json`: the document as text, one field or one item of a list a line, so that two results can be compared."""

from __future__ import annotations

import json
from typing import Final

from pydantic import JsonValue, ValidationError

from loadtest.errors import ResultsError
from loadtest.result.run.document import RunResult

FILE_NAME: Final = "result.json"


def result_json(result: RunResult) -> str:
    """Return the document as JSON; the same result gives the same text."""
    return _indented(result.model_dump(mode="json", by_alias=True), 0) + "\n"


def parse_result(text: str) -> RunResult:
    """
    Return the result that *text*, the content of a `result.json`, holds.

    Raises:
        ResultsError: If it is none, or of another version.
    """
    try:
        return RunResult.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ResultsError(f"not a result of this version: {where}: {first['msg']}") from error


def _indented(value: JsonValue, depth: int) -> str:
    """Return *value* with a line for each key of a mapping and each item of a list: 3,600 an hour of timeline."""
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict) and value:
        lines = (f"{_compact(key)}: {_indented(item, depth + 1)}" for key, item in value.items())
        return f"{{{inner}{f',{inner}'.join(lines)}{outer}}}"
    if isinstance(value, list) and value:
        return f"[{inner}{f',{inner}'.join(map(_compact, value))}{outer}]"
    return _compact(value)


def _compact(value: JsonValue) -> str:
    # JSON has no NaN: allow_nan=False turns one that slipped in into an error here rather than in the reader's parser.
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
