"""The differences between two documents, for people."""

from typing import Any

_ABSENT = object()


def differences(old: Any, new: Any, place: str = "") -> list[str]:
    """One line for each place where two JSON values differ: `validation.orders.3.max: 100 -> 200`."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            line
            for key in keys
            for line in differences(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{place}.{key}" if place else key)
        ]
    if isinstance(old, list) and isinstance(new, list):
        longest = range(max(len(old), len(new)))
        return [
            line
            for i in longest
            for line in differences(
                old[i] if i < len(old) else _ABSENT, new[i] if i < len(new) else _ABSENT, f"{place}.{i}"
            )
        ]
    return [f"{place}: {_shown(old)} -> {_shown(new)}"]


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
