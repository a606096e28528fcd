"""HTTP APIs by their OpenAPI 3 document: what can be got from them, without getting it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import yaml

from core.errors import SourceError
from tools.discovery.adapters.adapter import Part
from tools.discovery.adapters.json_schema import columns, resolved
from tools.discovery.adapters.web import Document, fetch
from tools.discovery.dataset import Description, SourceType
from tools.url import public

if TYPE_CHECKING:
    import pyarrow as pa


class OpenAPIAdapter:
    """The GET operations of a document that answer with JSON records: a list, a page of one, or one record.

    Its version is its ETag, else a digest of it. How many records there are, and what is in them, a document does not
    say.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._document: Document | None = None
        self.source = public(url)

    def parts(self) -> Iterator[Part]:
        self._document = fetch(self._url)
        yield Part(self.source, self._document.etag or hashlib.sha256(self._document.content).hexdigest())

    def read(self, part: str) -> Sequence[Description]:
        document = self._parsed((self._document or fetch(self._url)).content)
        server = next((entry.get("url") for entry in _list(document, "servers") if isinstance(entry, dict)), None)
        root = urljoin(self.source, str(server or "/")).rstrip("/")
        return [
            found
            for path, item in _dict(document, "paths").items()
            if isinstance(item, dict) and isinstance(item.get("get"), dict)
            if (found := self._described(root + str(path), str(path), item["get"], document))
        ]

    def sample(self, dataset: Description, columns: Sequence[str], rows: int) -> "pa.Table | None":
        # Calling an API may cost its owner, and needs rights that a document does not give.
        return None

    def _described(
        self, location: str, path: str, operation: dict[str, Any], document: dict[str, Any]
    ) -> Description | None:
        record, many = _record(_answer(operation, document), document)
        found = columns(record, document)
        # One record of many, by its id, is the same data once more.
        if not found or ("{" in path and not many):
            return None
        names = [name for name in path.split("/") if name and "{" not in name]
        security = operation.get("security", document.get("security"))
        return Description(
            location=location,
            name=names[-1] if names else location,
            source_type=SourceType.API_ENDPOINTS,
            format="json",
            columns=found,
            description=" ".join(filter(None, (operation.get("summary"), operation.get("description")))) or None,
            tags=tuple(str(tag) for tag in _list(operation, "tags")),
            # An empty requirement among them lets everyone in.
            access_level="authenticated" if security and {} not in security else None,
        )

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            text = content.decode()
            document = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            raise SourceError(self.source, "it is neither JSON nor YAML.", remedy="Correct the URL.") from error
        if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
            raise SourceError(self.source, "it is no OpenAPI 3 document.", remedy="Give the URL of one.")
        return document


def _answer(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema of the JSON that a good answer has."""
    responses = _dict(operation, "responses")
    response: Any = next((responses[code] for code in ("200", 200, "2XX", "default") if code in responses), {})
    content = _dict(resolved(response, document), "content")
    media: Any = next((value for name, value in content.items() if "json" in str(name)), {})
    return resolved(_dict(media, "schema"), document)


def _record(schema: dict[str, Any], document: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema of one record, and whether the answer has many: as a list, or as the one list of objects of a page."""
    if schema.get("type") == "array":
        return resolved(schema.get("items"), document), True
    properties = [resolved(part, document) for part in _dict(schema, "properties").values()]
    lists = [resolved(part.get("items"), document) for part in properties if part.get("type") == "array"]
    objects = [items for items in lists if "properties" in items]
    return (objects[0], True) if len(objects) == 1 else (schema, False)


def _dict(parent: Any, key: str) -> dict[Any, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def _list(parent: dict[str, Any], key: str) -> list[Any]:
    value = parent.get(key)
    return value if isinstance(value, list) else []
