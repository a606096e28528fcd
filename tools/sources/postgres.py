"""Tables and views in PostgreSQL, read in one snapshot through Ibis."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.expr.types import Table, Value

from core.errors import SourceError
from core.schema import Schema, SchemaColumn
from core.spec.source import PostgresSource
from tools.engine.engine import Engine, written
from tools.engine.rowid import ROW
from tools.sources.reader import (
    SAMPLE,
    Inspection,
    Part,
    Reading,
    SourceUnavailable,
    Surroundings,
    check_columns,
    located,
)

_COLUMNS = """
SELECT a.attname, coalesce(a.attnum = ANY (i.indkey), false)
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


class PostgresReader:
    """Rows come in the order of the primary key, or, without one, of all declared columns.

    Numbers, truth values, texts, dates and timestamps (in UTC) keep their types; what has another comes as text.
    """

    def __init__(self, name: str, source: PostgresSource, surroundings: Surroundings) -> None:
        self._name = name
        self._source = source
        self._surroundings = surroundings

    def inspect(self) -> Inspection:
        with self._connect() as connection:
            found, _ = self._columns(connection)
            notes = self._check(found)
            counted = connection.execute(
                psycopg.sql.SQL("SELECT count(*) FROM {}").format(self._identifier())
            ).fetchone()
        part = Part(index=0, path=self._source.table, size=0, modified="")
        return Inspection(parts=[part], rows=counted[0] if counted else 0, notes=notes)

    def read(self, engine: Engine, part: Part, path: Path) -> Reading:
        with self._connect() as connection:
            found, key = self._columns(connection)
            self._check(found)
            there = located(self._name, self._source.columns, found, self._surroundings)
            table = self._table(connection)
            cells = {
                name: ibis.null("string").name(name) if column is None else _cell(table[column])
                for name, column in there.items()
            }
            order = [table[column] for column in key] or list(cells.values())
            batches = table.order_by(order).select(**cells).to_pyarrow_batches()
            row = 0
            with pq.ParquetWriter(path, batches.schema.insert(0, pa.field(ROW, pa.int64()))) as writer:
                for batch in batches:
                    numbers = pa.array(range(row + 1, row + 1 + batch.num_rows), pa.int64())
                    writer.write_batch(batch.add_column(0, pa.field(ROW, pa.int64()), numbers))
                    row += batch.num_rows
        return Reading(output=written([path]), unreadable=[])

    def adapted(self, part: Part) -> Part:
        # There is one way to read it.
        return part

    def sample(self, part: Part) -> pa.Table:
        with self._connect() as connection:
            found, _ = self._columns(connection)
            table = self._table(connection)
            return table.select(*(_cell(table[column]) for column in found)).limit(SAMPLE).to_pyarrow()

    def schemas(self) -> list[Schema]:
        with self._connect() as connection:
            self._columns(connection)
            types = self._table(connection).schema()
        return [
            {
                name: SchemaColumn(type=str(kind.copy(nullable=True)), nullable=bool(kind.nullable))
                for name, kind in types.items()
            }
        ]

    def _table(self, connection: Any) -> Table:
        schema, name = self._schema_and_table()
        return ibis.postgres.from_connection(connection).table(name, database=schema)

    def _columns(self, connection: Any) -> tuple[list[str], list[str]]:
        rows = connection.execute(_COLUMNS, (self._identifier().as_string(connection),)).fetchall()
        if not rows:
            raise SourceError(
                self._name,
                f"there is no table {self._source.table} in the database.",
                remedy="Create and load it, or correct `table` and `url_env`.",
            )
        return [column for column, _ in rows], [column for column, in_key in rows if in_key]

    def _check(self, found: list[str]) -> list[str]:
        place = f"table {self._source.table}"
        return check_columns(self._name, place, list(self._source.columns), found, self._surroundings)

    def _schema_and_table(self) -> tuple[str | None, str]:
        schema, _, table = self._source.table.rpartition(".")
        return schema or None, table

    def _identifier(self) -> psycopg.sql.Identifier:
        return psycopg.sql.Identifier(*filter(None, self._schema_and_table()))

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        try:
            with psycopg.connect(self._url(), connect_timeout=5) as connection:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                connection.execute("SET TIME ZONE 'UTC'")
                yield connection
        except psycopg.OperationalError as error:
            raise SourceUnavailable(self._name, error) from error
        except (psycopg.Error, pa.ArrowException) as error:
            # A value that cannot be fetched ends the cursor, and it is the lost cursor that is complained of.
            words = " ".join(str(error.__context__ or error).split()).rstrip(".")
            raise SourceError(
                self._name,
                f"table {self._source.table} cannot be read: {words}.",
                remedy="See that this user may read it, and that its values are within Python's range.",
            ) from error

    def _url(self) -> str:
        if self._source.url_env is None:
            return self._surroundings.database_url
        url = os.environ.get(self._source.url_env)
        if not url:
            raise SourceError(
                self._name,
                f"the environment variable {self._source.url_env} is not set.",
                remedy="Put the database's URL into it.",
            )
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # The parser's words would show what the variable holds: a password, or another secret named by mistake.
            raise SourceError(
                self._name,
                f"the environment variable {self._source.url_env} does not hold the URL of a PostgreSQL database.",
                remedy="Put one into it, such as postgresql://user:password@host:5432/database.",
            ) from None
        return url


def _cell(column: Value) -> Value:
    kind = column.type()
    if kind.is_timestamp():
        return column.cast("timestamp(6)")
    # A decimal without a declared precision has no bound that a file's type could have.
    bounded = not kind.is_decimal() or kind.precision is not None
    kept = kind.is_numeric() or kind.is_boolean() or kind.is_string() or kind.is_date()
    return column if kept and bounded else column.cast("string").name(column.get_name())
