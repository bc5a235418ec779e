"""The grammar as a JSON Schema, for editors: keys, choices, and the patterns of quantities."""

from __future__ import annotations

from typing import Any, Final

from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.loading.variables import VARIABLE_PATTERN

SCHEMA_NAME: Final = "scenario.schema.json"
_VARIABLE: Final = {"type": "string", "pattern": VARIABLE_PATTERN}
_REFERENCE: Final = {"$ref": "#/$defs/Variable"}


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a scenario file, variables and all."""
    schema = _open_to_variables(_without_null(Scenario.model_json_schema(by_alias=True)))
    schema["$defs"]["Variable"] = {**_VARIABLE, "description": "a value with ${name} of variables in it"}
    schema["properties"]["variables"] = {
        "type": "object",
        "description": "values by name; ${name} in a value stands for one of them",
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "loadtest scenario"}


def _without_null(schema: Any) -> Any:
    """Return a schema in which an option that may be left out is not also null."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _without_null(item) for key, item in schema.items() if not (key == "default" and item is None)}
    options = [option for option in found.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1 and len(found["anyOf"]) > 1:
        del found["anyOf"]
        return {**options[0], **found}
    if options:
        found["anyOf"] = options
    return found


def _open_to_variables(schema: Any) -> Any:
    """Return a schema in which `${name}` may stand for any value, but of the names that are keys."""
    if not isinstance(schema, dict):
        return schema
    found = dict(schema)
    for key in ("properties", "$defs"):
        if key in found:
            found[key] = {name: _open_to_variables(item) for name, item in found[key].items()}
    if "properties" in found:
        found["properties"] = {name: _value(item) for name, item in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _value(_open_to_variables(found[key]))
    for key in ("anyOf", "oneOf"):
        if key in found:
            found[key] = [_open_to_variables(item) for item in found[key]]
    return found


def _value(schema: Any) -> Any:
    if not isinstance(schema, dict) or not schema.keys() - {"description", "default", "title"}:
        return schema
    if schema.get("type") == "string" and "pattern" not in schema and "enum" not in schema:
        return schema
    kept = {key: schema[key] for key in ("description", "default", "title") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in kept}
    return {**kept, "anyOf": [inner, _REFERENCE]}
