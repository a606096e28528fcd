"""What a graph's state may hold: plain JSON, and references in place of data."""

import json
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from core.errors import StateError

# Each checkpoint holds what every stage has returned. More than this is data, and belongs into files.
LIMIT_BYTES = 2**20
# What is nested deeper, some of the libraries that a state passes through take for a circle.
LIMIT_DEPTH = 100

_SERIALIZER = JsonPlusSerializer()


def plain(value: Any, whose: str) -> Any:
    """The value as it will come back from a checkpoint; `whose` names it, as in `The input`.

    Raises StateError if it is no plain JSON (objects, tuples, keys that are no text, NaN, integers beyond 64 bits, lone
    surrogates), takes more than LIMIT_BYTES, or is nested deeper than LIMIT_DEPTH.
    """
    try:
        text = json.dumps(value, allow_nan=False)
        back = json.loads(text)
        kept = _SERIALIZER.loads_typed(_SERIALIZER.dumps_typed(back))
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError(whose, f"cannot be kept in a checkpoint: {error}") from error
    for copy in (back, kept):
        if copy != value:
            raise StateError(whose, f"would come back from a checkpoint changed, at {_changed(value, copy)}")
    if len(text) > LIMIT_BYTES:
        raise StateError(whose, f"has {len(text):,} bytes as JSON, more than {LIMIT_BYTES:,}")
    if _is_deep(back):
        raise StateError(whose, f"is nested more than {LIMIT_DEPTH} deep")
    return back


def _is_deep(value: Any) -> bool:
    """Whether there are lists or objects below LIMIT_DEPTH levels of them."""
    level = [value]
    for _ in range(LIMIT_DEPTH):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))]
        level = [item for items in inner for item in items]
    return any(isinstance(item, (dict, list)) for item in level)


def _changed(value: Any, copy: Any, path: str = "$") -> str:
    """The first place at which the copy differs, and what stands there."""
    if isinstance(value, dict) and isinstance(copy, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"{path}, whose key {key!r} is no text"
            if copy.get(key) != item:
                return _changed(item, copy.get(key), f"{path}.{key}")
    if isinstance(value, list) and isinstance(copy, list):
        for index, item in enumerate(value):
            if copy[index] != item:
                return _changed(item, copy[index], f"{path}[{index}]")
    return f"{path}, a {type(value).__name__}"
