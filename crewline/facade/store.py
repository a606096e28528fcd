"""Crewline's database, as the doors open it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.store import Database


@contextmanager
def database() -> Iterator[Database]:
    """Crewline's database, open while the block runs."""
    from core.store import open_database

    store = open_database()
    try:
        yield store
    finally:
        store.close()
