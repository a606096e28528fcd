"""Columns from JSON Schema, as OpenAPI documents and schema registries use it."""

from typing import Any

from tools.discovery.dataset import Column

_FORMATS = {"date": "date", "date-time": "timestamp", "uuid": "uuid"}
_TYPES = {"integer": "int64", "number": "float64", "boolean": "boolean", "string": "string", "null": "null"}

# References may go in circles, and through many.
_MAX_DEPTH = 20


def columns(schema: dict[str, Any], document: dict[str, Any]) -> tuple[Column, ...]:
    """The properties of an object's schema, in their order; those that are not required can be null."""
    found = resolved(schema, document)
    required = found.get("required", [])
    return tuple(
        Column(
            name=str(name),
            type=_type(part, document),
            nullable=name not in required or _nullable(part),
            description=part.get("description"),
        )
        for name, part in _properties(found, document).items()
    )


def resolved(schema: Any, document: dict[str, Any]) -> dict[str, Any]:
    """The schema behind its references within the document; an empty one where a reference leads nowhere or outside."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, dict):
            return {}
        if "$ref" not in schema:
            return _combined(schema, document)
        schema = _referred(str(schema["$ref"]), document)
    return {}


def _referred(reference: str, document: Any) -> Any:
    path, _, pointer = reference.partition("#/")
    if path or not pointer:
        return None
    for name in pointer.split("/"):
        document = document.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(document, dict) else None
    return document


def _combined(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """`allOf` as one schema."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or depth > _MAX_DEPTH:
        return schema
    merged: dict[str, Any] = {**schema, "properties": dict(schema.get("properties") or {})}
    merged.pop("allOf")
    for part in parts:
        if isinstance(part, dict) and "$ref" in part:
            part = _referred(str(part["$ref"]), document)
        if isinstance(part, dict):
            found = _combined(part, document, depth + 1)
            merged["properties"] |= found.get("properties") or {}
            merged["required"] = [*merged.get("required", []), *found.get("required", [])]
            merged.setdefault("type", found.get("type", "object"))
    return merged


def _properties(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: resolved(part, document) for name, part in properties.items()}


def _type(schema: dict[str, Any], document: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        # OpenAPI 3.1 writes what can be null as one of two types.
        kinds = [one for one in kind if one != "null"]
        kind = kinds[0] if len(kinds) == 1 else None
    if kind == "array":
        return f"array<{_type(resolved(schema.get('items'), document), {})}>"
    if kind == "object" or "properties" in schema:
        return "struct"
    if kind == "string":
        return _FORMATS.get(str(schema.get("format")), "string")
    return _TYPES.get(str(kind), "unknown")


def _nullable(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return schema.get("nullable") is True or (isinstance(kind, list) and "null" in kind)
