"""HTTP APIs as sources, by the documents of a server that runs here."""

import json
from types import EllipsisType
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from core.errors import SourceError
from tests.web import Server
from tools.discovery.adapters import adapter
from tools.discovery.dataset import SourceType


def answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "/v1"}],
    "security": [{"key": []}],
    "paths": {
        "/orders": {
            "get": {
                "summary": "All orders",
                "tags": ["sales"],
                "responses": answer({"type": "array", "items": {"$ref": "#/components/schemas/Order"}}),
            },
            "post": {"responses": {"201": {"description": "made"}}},
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {"responses": answer({"$ref": "#/components/schemas/Order"})},
        },
        "/customers": {
            "get": {
                "security": [],
                "responses": answer(
                    {
                        "type": "object",
                        "properties": {
                            "total": {"type": "integer"},
                            "items": {"type": "array", "items": {"$ref": "#/components/schemas/Customer"}},
                        },
                    }
                ),
            }
        },
        "/health": {"get": {"responses": {"200": {"description": "no content"}}}},
    },
    "components": {
        "securitySchemes": {"key": {"type": "apiKey", "name": "key", "in": "header"}},
        "schemas": {
            "Customer": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "born": {"type": "string", "format": "date"},
                    "friend": {"$ref": "#/components/schemas/Customer"},
                },
            },
            "Order": {
                "allOf": [
                    {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
                    {
                        "type": "object",
                        "properties": {
                            "price": {"type": ["number", "null"], "description": "In euros"},
                            "tags": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                ]
            },
        },
    },
}


def test_operations_that_give_records_are_datasets() -> None:
    validate(DOCUMENT)
    with Server({"/openapi.json": json.dumps(DOCUMENT)}) as server:
        source = adapter(f"{server.url}/openapi.json")
        (part,) = source.parts()
        orders, customers = source.read(part.name)
        assert server.asked == ["/openapi.json"]
    assert (orders.location, orders.name, orders.source_type) == (
        f"{server.url}/v1/orders",
        "orders",
        SourceType.API_ENDPOINTS,
    )
    assert [(column.name, column.type, column.nullable) for column in orders.columns] == [
        ("id", "int64", False),
        ("price", "float64", True),
        ("tags", "array<string>", True),
    ]
    assert (orders.description, orders.tags, orders.access_level) == ("All orders", ("sales",), "authenticated")
    assert orders.columns[1].description == "In euros"
    assert [(column.name, column.type) for column in customers.columns] == [
        ("id", "uuid"),
        ("born", "date"),
        ("friend", "struct"),
    ]
    assert customers.access_level is None
    assert (orders.rows, orders.quality, orders.updated_at) == (None, None, None)


def test_a_document_in_yaml_says_the_same() -> None:
    with Server({"/a.json": json.dumps(DOCUMENT), "/a.yaml": yaml.safe_dump(DOCUMENT, sort_keys=False)}) as server:
        first, second = (adapter(f"{server.url}/a.{ending}") for ending in ("json", "yaml"))
        assert first.read(first.source) == second.read(second.source)


def test_the_version_is_that_of_the_document() -> None:
    with Server({"/a.json": json.dumps(DOCUMENT)}) as server:
        source = adapter(f"{server.url}/a.json")
        before = list(source.parts())
        assert list(source.parts()) == before
        server.documents["/a.json"] = json.dumps({**DOCUMENT, "paths": {}})
        assert list(source.parts()) != before


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (500, "status 500"),
        (302, "status 302"),
        (404, "no such document"),
        (None, "not here whole after 0.3 s"),
        (..., "not here whole after 0.3 s"),
        ("<html>", "no OpenAPI 3 document"),
        ('{"swagger": "2.0"}', "no OpenAPI 3 document"),
        ("{", "neither JSON nor YAML"),
    ],
)
def test_a_server_that_does_not_answer_as_it_should_is_an_error(
    document: str | int | EllipsisType | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.discovery.adapters.web._PATIENCE_S", 0.3)
    with Server({"/openapi.json": document}) as server:
        source = adapter(f"{server.url}/openapi.json")
        with pytest.raises(SourceError, match=told):
            source.read(source.source)


def test_a_document_whose_references_go_nowhere_or_in_circles_still_answers() -> None:
    schemas = {
        "A": {"$ref": "#/components/schemas/B"},
        "B": {"$ref": "#/components/schemas/A"},
        "C": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}, "x": {"$ref": "http://e/x"}}},
    }
    document = {
        "openapi": "3.0.0",
        "paths": {
            "/a": {"get": {"responses": answer({"$ref": "#/components/schemas/A"})}},
            "/c": {"get": {"responses": answer({"$ref": "#/components/schemas/C"})}},
            "/odd": {"get": {"responses": ["not", "a", "mapping"]}},
        },
        "components": {"schemas": schemas},
    }
    with Server({"/openapi.json": json.dumps(document)}) as server:
        (found,) = adapter(f"{server.url}/openapi.json").read("")
    assert [(column.name, column.type) for column in found.columns] == [("a", "unknown"), ("x", "unknown")]
