"""Faces of packages: names that are imported when they are first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from core.garbage import uncollected


def face(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names live in modules that are slow to import; `homes` says in which."""

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        # Modules are none.
        with uncollected():
            home = import_module(homes[name])
        return getattr(home, name)

    return attribute
