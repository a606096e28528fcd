"""Faces of packages: names that are imported when they are first asked for."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def face(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names live in modules that are slow to import; `homes` says in which."""

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        with _collecting_nothing():
            home = import_module(homes[name])
        return getattr(home, name)

    return attribute


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """No search for garbage: modules are none, and hundreds of them make it a quarter of an import's time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
