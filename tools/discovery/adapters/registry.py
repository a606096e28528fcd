"""A schema registry of Confluent's kind: the newest schema of a topic's values."""

import json
from typing import Any, NamedTuple
from urllib.parse import quote

from core.errors import SourceError
from tools.discovery.adapters import json_schema
from tools.discovery.adapters.web import NotThere, fetch
from tools.discovery.dataset import Column
from tools.url import public

_AVRO = {
    "null": "null",
    "boolean": "boolean",
    "int": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "bytes": "binary",
    "string": "string",
    "date": "date",
    "timestamp-millis": "timestamp(3)",
    "timestamp-micros": "timestamp(6)",
    "uuid": "uuid",
    "record": "struct",
    "map": "map",
    "enum": "string",
    "fixed": "binary",
}


class Declared(NamedTuple):
    """What the registry says of a topic's values."""

    format: str
    columns: tuple[Column, ...]


def columns(registry: str, topic: str) -> Declared | None:
    """The columns of the newest schema; None where it has none, or one of a kind that is not read here.

    Raises SourceError.
    """
    url = f"{registry.rstrip('/')}/subjects/{quote(topic, safe='')}-value/versions/latest"
    try:
        answer = json.loads(fetch(url).content)
        kind = str(answer.get("schemaType", "AVRO"))
        schema = json.loads(answer["schema"]) if kind in ("AVRO", "JSON") else None
    except NotThere:
        return None
    except (ValueError, KeyError, AttributeError) as error:
        raise SourceError(public(url), "the registry's answer is no schema.", remedy="See the registry.") from error
    if not isinstance(schema, dict):
        return None
    if kind == "JSON":
        return Declared("json", json_schema.columns(schema, schema))
    return Declared("avro", tuple(_column(field) for field in schema.get("fields", [])))


def _column(field: dict[str, Any]) -> Column:
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    named = [kind for kind in kinds if kind != "null"]
    return Column(
        name=field["name"],
        type=_type(named[0]) if len(named) == 1 else "mixed",
        nullable="null" in kinds,
        description=field.get("doc"),
    )


def _type(kind: Any) -> str:
    if not isinstance(kind, dict):
        return _AVRO.get(str(kind), "struct")
    if kind.get("logicalType") == "decimal":
        return f"decimal({kind.get('precision')}, {kind.get('scale', 0)})"
    if kind.get("type") == "array":
        return f"array<{_type(kind.get('items'))}>"
    return _AVRO.get(str(kind.get("logicalType")), _AVRO.get(str(kind.get("type")), "unknown"))
