"""What pydantic found wrong, as it concerns who wrote the document or the arguments."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError


def faults(error: ValidationError) -> list[dict[str, Any]]:
    """The errors, without those that only follow from another one, and with the words of JSON and YAML.

    A list whose items are refused counts as empty, and would be told to be too short besides.
    """
    told: list[dict[str, Any]] = [dict(found) for found in error.errors(include_url=False)]
    places = [found["loc"] for found in told]
    return [_worded(found) for found in told if not _follows(found, places)]


def _follows(found: dict[str, Any], places: Sequence[tuple[Any, ...]]) -> bool:
    depth = len(found["loc"])
    below = any(len(place) > depth and place[:depth] == found["loc"] for place in places)
    return found["type"] == "too_short" and below


def _worded(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "msg": found["msg"].replace("a valid tuple", "a list").replace("Tuple", "List")}
