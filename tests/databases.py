"""Databases for tests: each finds a migrated one with no rows, under a name that nobody has heard yet."""

import asyncio
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from core.store.migrate import migrate

TEMPLATE = "crewline_template"

# What keeps a server's data when the machine loses its power, which no test is about; processes may die all the same.
NOT_NEEDED = ("fsync", "full_page_writes")

# All that makes a database what it is, save the rows of its tables. Objects of its own begin at 16384.
FORM = """
SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
    SELECT concat_ws(' ', 'class', oid, relnamespace, relname, relkind, reloptions, relowner, relacl) AS line
        FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'attribute', attrelid, attnum, attname, atttypid, attnotnull, atthasdef)
        FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT concat_ws(' ', 'constraint', oid, conname, convalidated) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'trigger', oid, tgname, tgenabled) FROM pg_trigger WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'function', oid, proname, md5(prosrc), proacl) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'schema', oid, nspname, nspacl) FROM pg_namespace
        WHERE nspname !~ '^pg_(temp|toast_temp)'
    UNION ALL SELECT concat_ws(' ', 'type', oid, typname) FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'comment', objoid, classoid, objsubid, description) FROM pg_description
        WHERE objoid >= 16384
    UNION ALL SELECT concat_ws(' ', 'extension', extname) FROM pg_extension
    UNION ALL SELECT concat_ws(' ', 'setting', setrole, setconfig) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS lines
"""

# The tables that have rows when nobody has worked yet, as those of the migrations.
FILLED = """
SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' AND c.oid >= 16384 AND pg_relation_size(c.oid) > 0
"""

# A few rows are deleted sooner than a table is made anew; that happens once what was deleted has made it large.
EMPTY = """
DO $$
DECLARE
    of record;
    filled boolean;
BEGIN
    -- Neither keys nor the triggers that guard the journal have a say.
    SET LOCAL session_replication_role = replica;
    FOR of IN SELECT c.oid::regclass AS name, pg_relation_size(c.oid) AS size FROM pg_class c
        WHERE c.relkind = 'r' AND c.oid >= 16384 AND pg_relation_size(c.oid) > 0
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', of.name) INTO filled;
        IF of.size > 200000 THEN
            EXECUTE format('TRUNCATE %s CASCADE', of.name);
        ELSIF filled THEN
            EXECUTE format('DELETE FROM %s', of.name);
        END IF;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence
        WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""

_number = itertools.count()
_spare: list[str] = []

# The form of a fresh one, and the rows of its tables that have any.
_fresh: list[tuple[str, dict[str, str]]] = []


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a migrated database without rows.

    One that an earlier test has left is emptied, which takes less than making one. It gets another name: what that test
    may have left running finds it no more. A database of another form is not used again.
    """
    name = f"test_{os.getpid()}_{next(_number)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        if _spare:
            connection.execute(_put("ALTER DATABASE {} RENAME TO {}", _spare.pop(), name))
        else:
            connection.execute(_put("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE))
            if not _fresh:
                _fresh.append(_found(make_conninfo(server_url, dbname=name)))
        yield make_conninfo(server_url, dbname=name)
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            return
        spare = f"{name}_spare"
        connection.execute(_put("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", name))
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (name,))
        connection.execute(_put("ALTER DATABASE {} RENAME TO {}", name, spare))
        connection.execute(_put("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true", spare))
        if _emptied(make_conninfo(server_url, dbname=spare), *_fresh[0]):
            _spare.append(spare)
        else:
            connection.execute(_put("DROP DATABASE {} WITH (FORCE)", spare))


def make_template(server_url: str) -> None:
    """What all databases are copies of; made by one of the workers."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            return
        for setting in NOT_NEEDED:
            connection.execute(_put("ALTER SYSTEM SET {} = off", setting))
        connection.execute("SELECT pg_reload_conf()")
        made = f"{TEMPLATE}_new"
        connection.execute(_put("CREATE DATABASE {}", made))
        url = make_conninfo(server_url, dbname=made)
        with psycopg.connect(url, autocommit=True) as template:
            migrate(template)
        asyncio.run(_make_checkpoints(url))
        # Only a whole template gets the name that other workers look for.
        connection.execute(_put("ALTER DATABASE {} RENAME TO {}", made, TEMPLATE))


async def _make_checkpoints(url: str) -> None:
    from graphs.checkpoints import Checkpoints

    async with Checkpoints(url, wait_s=5):
        pass


def _found(url: str) -> tuple[str, dict[str, str]]:
    with psycopg.connect(url, autocommit=True) as connection:
        tables = [row[0] for row in connection.execute(FILLED)]
        rows = {table: _one(connection, f"SELECT json_agg(t) FROM {table} t") for table in tables}
        return _one(connection, FORM), {table: json.dumps(of) for table, of in rows.items() if of}


def _emptied(url: str, form: str, rows: Mapping[str, str]) -> bool:
    """Whether a database is of this form; then it has these rows now and no others."""
    with psycopg.connect(url, autocommit=True) as connection:
        if _one(connection, FORM) != form:
            return False
        connection.execute(EMPTY)
        for table, of in rows.items():
            refill = _put("INSERT INTO {0} SELECT * FROM json_populate_recordset(NULL::{0}, %s)", table)
            connection.execute(refill, (of,))
        return True


def _one(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _put(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))
