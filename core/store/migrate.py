"""Versioned migrations: numbered SQL files, each applied once, in order, by one process at a time."""

import hashlib
from importlib import resources

import psycopg

from core.errors import InputError

# Any constant will do, as long as it never changes: processes of all versions must wait for the same lock.
LOCK = 0x63726577


def migrations() -> list[tuple[str, str]]:
    """Name and SQL of each migration, in order."""
    folder = resources.files("core.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(f.name.removesuffix(".sql"), f.read_text(encoding="utf-8")) for f in files]


def migrate(connection: psycopg.Connection) -> list[str]:
    """Bring the database up to this version of Crewline, and return the names of what was applied.

    All or nothing, in one transaction. Raises InputError if the database was made by a newer Crewline, or by one
    whose migrations were other than these.
    """
    known = migrations()
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied: dict[str, str] = dict(connection.execute("SELECT name, digest FROM migrations").fetchall())
        if unknown := sorted(applied.keys() - {name for name, _ in known}):
            raise InputError(
                f"The database was made by a newer Crewline (it has {', '.join(unknown)}).",
                remedy="Upgrade this installation, or use another CREWLINE_DATABASE_URL.",
            )
        done = []
        for name, sql in known:
            digest = hashlib.sha256(sql.encode()).hexdigest()
            if name not in applied:
                connection.execute(sql.encode())
                connection.execute("INSERT INTO migrations (name, digest) VALUES (%s, %s)", (name, digest))
                done.append(name)
            elif applied[name] != digest:
                raise InputError(
                    f"Migration {name} was applied to this database in another form.",
                    remedy="Use another CREWLINE_DATABASE_URL, or the version of Crewline that made this database.",
                )
        return done
