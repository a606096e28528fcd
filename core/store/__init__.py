"""PostgreSQL: the embedded server, the pool, the migrations."""

from core.store.database import Database, open_database

__all__ = ["Database", "open_database"]
