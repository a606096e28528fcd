"""The arguments of tools: typed, closed, and in a form that every model can write.

Models are asked for arguments under a strict JSON schema, which knows objects with fixed keys only: a mapping from
names to values cannot be written in it. So the schema that they see has lists of `{name, value}` in the place of such
mappings, and what comes back is taken in either form.
"""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

_MAX_PROBLEMS = 5
_MAX_SHOWN = 80
# Hardly a model writes more, and the engine takes long to plan what would stand in more, bytes.
_MAX_SIZE = 65_536


class Arguments(BaseModel):
    """The arguments of a tool. Unknown ones are refused; an optional one that is null counts as left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema with lists of entries in the place of mappings; what is optional may be null."""
        schema: dict[str, Any] = _writable(super().model_json_schema(*args, **kwargs))
        return schema

    @model_validator(mode="before")
    @classmethod
    def _as_declared(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        try:
            size = len(json.dumps(given, ensure_ascii=False, default=str).encode())
        except UnicodeEncodeError as error:
            raise ValueError("a text has half of a surrogate pair, which no file can hold") from error
        if size > _MAX_SIZE:
            raise ValueError(f"they are {size:,} bytes of JSON, more than {_MAX_SIZE:,}; put long lists into a file")
        schema = _schema(cls)
        return _as_written(given, schema, schema.get("$defs", {}))


@cache
def _schema(model: type[Arguments]) -> dict[str, Any]:
    """The schema as declared, with mappings."""
    return super(Arguments, model).model_json_schema()


def problems(error: ValidationError) -> str:
    """What is wrong with arguments, in a line that a model can act on."""
    told = [_problem(dict(found)) for found in error.errors(include_url=False)[:_MAX_PROBLEMS]]
    more = error.error_count() - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


def _problem(error: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "arguments"
    message = "unknown argument" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
    shown = repr(error.get("input"))
    got = f" (got {shown})" if error["type"] != "missing" and len(shown) <= _MAX_SHOWN else ""
    return f"{place[:_MAX_SHOWN]}: {message[:300]}{got}"


def _writable(schema: Any) -> Any:
    """The schema as a strict model can write all that it asks for."""
    if isinstance(schema, list):
        return [_writable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    of = _mapped(schema)
    if of is not None:
        return _entries(schema, _writable(of))
    written = {key: _writable(part) for key, part in schema.items() if key != "properties"}
    if "properties" in schema:
        parts = {name: _writable(part) for name, part in schema["properties"].items()}
        required = schema.get("required", [])
        written["properties"] = {name: p if name in required else _optional(p) for name, p in parts.items()}
    return written


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    # A strict model has to write every argument, and is not shown defaults.
    default = schema.get("default")
    told = f"Default: {json.dumps(default)}." if default not in (None, [], {}) else ""
    words = " ".join(filter(None, [schema.get("description"), told]))
    choices = schema.get("anyOf", [schema])
    nullable = choices if {"type": "null"} in choices else [*choices, {"type": "null"}]
    return {"anyOf": nullable, **({"description": words} if words else {})}


def _entries(schema: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "value": of},
        "required": ["name", "value"],
        "additionalProperties": False,
    }
    kept = {key: part for key, part in schema.items() if key in ("title", "description", "default")}
    bounds = {f"{end}Items": schema[f"{end}Properties"] for end in ("min", "max") if f"{end}Properties" in schema}
    return {"type": "array", "items": entry, **kept, **bounds}


def _mapped(schema: dict[str, Any]) -> dict[str, Any] | None:
    """What the values of a mapping are, if the schema is that of one."""
    of = schema.get("additionalProperties")
    if schema.get("type") != "object" or "properties" in schema or of is False:
        return None
    return of if isinstance(of, dict) else {}


def _as_written(value: Any, schema: dict[str, Any], named: dict[str, Any]) -> Any:
    """What was written, as the schema declares it: mappings for lists of entries, nothing for optional nulls."""
    schema = named.get(schema["$ref"].rpartition("/")[2], {}) if "$ref" in schema else schema
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _of_one(value, schema, choices, named)
    of = _mapped(schema)
    if of is not None and isinstance(value, list) and all(_is_entry(item) for item in value):
        names = [item["name"] for item in value]
        # A name that stands twice is left as it is, and refused as no mapping: one of the two would be lost.
        return {item["name"]: _as_written(item["value"], of, named) for item in value} if _once(names) else value
    if isinstance(value, list):
        return [_as_written(item, schema.get("items", {}), named) for item in value]
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        needed = {*schema.get("required", []), *(value.keys() - parts.keys())}
        return {
            key: _as_written(item, parts.get(key, of or {}), named)
            for key, item in value.items()
            if item is not None or key in needed or _admits_null(parts[key])
        }
    return value


def _admits_null(schema: dict[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", [])


def _of_one(value: Any, schema: dict[str, Any], choices: list[dict[str, Any]], named: dict[str, Any]) -> Any:
    discriminator = schema.get("discriminator")
    if discriminator and isinstance(value, dict):
        tag = value.get(discriminator["propertyName"])
        chosen = discriminator["mapping"].get(tag) if isinstance(tag, str) else None
        return _as_written(value, {"$ref": chosen}, named) if chosen else value
    for choice in choices:
        changed = _as_written(value, choice, named)
        if changed != value:
            return changed
    return value


def _is_entry(item: Any) -> bool:
    return isinstance(item, dict) and item.keys() == {"name", "value"} and isinstance(item["name"], str)


def _once(names: list[str]) -> bool:
    return len(names) == len(set(names))
