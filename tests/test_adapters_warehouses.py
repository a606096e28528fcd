"""PostgreSQL and DuckDB files as sources."""

from pathlib import Path

import duckdb
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from core.errors import InputError, SourceError
from tools.discovery.adapters import adapter
from tools.discovery.dataset import Description, ForeignKey, SourceType

SHOP = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE customers (id integer PRIMARY KEY, email text UNIQUE, mood mood, balance numeric(10, 2));
COMMENT ON TABLE customers IS 'Who buys';
COMMENT ON COLUMN customers.email IS 'Where to write to';
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers, at timestamptz,
    tags text[]);
CREATE TABLE events (at date NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE VIEW spending AS
    SELECT c.email, count(*) AS orders FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY 1;
CREATE SCHEMA "Odd name";
CREATE TABLE "Odd name"."a/b.c" (x integer);
INSERT INTO customers SELECT n, CASE WHEN n % 4 > 0 THEN 'c' || n END, 'good', n FROM generate_series(1, 400) n;
INSERT INTO orders SELECT n, 1 + n % 400, now(), NULL FROM generate_series(1, 1000) n;
INSERT INTO events SELECT '2025-03-01', 'x' FROM generate_series(1, 50);
ANALYZE;
"""


def described(url: str) -> dict[str, Description]:
    source = adapter(url)
    return {found.name: found for part in source.parts() for found in source.read(part.name)}


@pytest.fixture
def shop(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute(SHOP)
        connection.execute("SELECT pg_stat_force_next_flush()")
    parts = conninfo_to_dict(database_url)
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}"


def test_tables_come_with_keys_relations_estimates_and_what_people_wrote_beside_them(shop: str) -> None:
    found = described(shop)
    assert sorted(found) == ["a/b.c", "customers", "events", "orders", "spending"]
    customers, orders = found["customers"], found["orders"]
    assert [(c.name, c.type, c.nullable) for c in customers.columns] == [
        ("id", "int32", False),
        ("email", "string", True),
        ("mood", "string", True),
        ("balance", "decimal(10, 2)", True),
    ]
    assert (customers.description, customers.columns[1].description) == ("Who buys", "Where to write to")
    assert (customers.primary_key, customers.unique_keys) == (("id",), (("email",),))
    assert (customers.rows, customers.rows_estimated, customers.source_type) == (400, True, SourceType.DATA_WAREHOUSE)
    assert customers.columns[1].null_share == 0.25
    assert customers.measured_by == "null shares of ANALYZE"
    assert customers.owner
    assert customers.bytes
    assert customers.updated_at is not None
    assert orders.foreign_keys == (
        ForeignKey(columns=("customer_id",), references=customers.location, references_columns=("id",)),
    )
    assert orders.columns[3].type == "array<string>"
    assert (found["events"].rows, found["events"].partition_keys) == (50, ("at",))
    assert found["spending"].upstream == (customers.location, orders.location)
    assert found["spending"].quality is None


def test_only_what_has_changed_gets_another_version(shop: str) -> None:
    """Rows, a column, a comment, an owner's ANALYZE; the counters reach the statistics when the session ends."""
    source = adapter(shop)

    def versions() -> dict[str, str | None]:
        return {part.name.rpartition(".")[2]: part.version for part in source.parts()}

    first = versions()
    assert versions() == first
    for statement, table in (
        ("INSERT INTO customers VALUES (1000)", "customers"),
        ("ALTER TABLE orders ADD COLUMN note text", "orders"),
        ("COMMENT ON COLUMN orders.note IS 'why'", "orders"),
        ("INSERT INTO events VALUES ('2025-04-01', 'y')", "events"),
        ("CREATE OR REPLACE VIEW spending AS SELECT email, 0::bigint AS orders FROM customers", "spending"),
    ):
        before = versions()
        with psycopg.connect(shop, autocommit=True) as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_stat_force_next_flush()")
        after = versions()
        assert [name for name in after if after[name] != before[name]] == [table], statement


def test_a_sample_is_read_of_any_name(shop: str) -> None:
    source = adapter(shop)
    found = described(shop)
    sample = source.sample(found["orders"], ["customer_id"], 10)
    assert sample is not None
    assert (sample.num_rows, sample.column_names) == (10, ["customer_id"])
    odd = source.sample(found["a/b.c"], ["x"], 10)
    assert odd is not None
    assert odd.num_rows == 0


def test_a_database_that_is_not_there_is_an_error_that_shows_no_password() -> None:
    source = adapter("postgresql://me:secret@127.0.0.1:1/none")
    assert source.source == "postgresql://me@127.0.0.1:1/none"
    with pytest.raises(SourceError) as told:
        list(source.parts())
    assert "secret" not in str(told.value)
    with pytest.raises(InputError) as told:
        adapter("postgresql://me:secret@[half/none")
    assert "secret" not in str(told.value)


def test_a_duckdb_file_is_described_table_by_table(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, size ENUM ('s', 'm'), tags VARCHAR[])")
        connection.execute("CREATE TABLE orders (id BIGINT, customer_id INTEGER REFERENCES customers (id))")
        connection.execute("INSERT INTO customers SELECT n, CASE WHEN n > 5 THEN 's' END, ['x'] FROM range(10) t (n)")
        connection.execute("COMMENT ON TABLE orders IS 'What is bought'")
    found = described(str(path))
    assert [(c.name, c.type) for c in found["customers"].columns] == [
        ("id", "int32"),
        ("size", "string"),
        ("tags", "array<string>"),
    ]
    assert (found["customers"].rows, found["customers"].primary_key) == (10, ("id",))
    assert found["customers"].columns[1].null_share == 0.6
    assert found["orders"].description == "What is bought"
    assert found["orders"].foreign_keys == (
        ForeignKey(columns=("customer_id",), references=found["customers"].location, references_columns=("id",)),
    )
    sample = adapter(str(path)).sample(found["customers"], ["id"], 3)
    assert sample is not None
    assert sample.num_rows == 3


def test_a_view_in_a_duckdb_file_reads_no_file_beside_it(tmp_path: Path) -> None:
    """A file that anyone may have made is opened without access to others. What else is in it is described."""
    (tmp_path / "secret.csv").write_text("password\nhunter2\n")
    path = tmp_path / "trap.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE VIEW trap AS SELECT * FROM read_csv('{tmp_path}/secret.csv')")
        connection.execute(
            "CREATE TABLE places (id INTEGER, spot GEOMETRY('OGC:CRS84')); INSERT INTO places VALUES (1, NULL)"
        )
    found = described(str(path))
    assert [(c.name, c.null_share) for c in found["places"].columns] == [("id", 0.0), ("spot", 1.0)]
    assert (found["places"].fault, found["trap"].measured_rows) == (None, None)
    assert found["trap"].fault is not None
    assert found["trap"].fault.startswith("view main.trap cannot be read: Permission Error")
    assert "hunter2" not in str(found)


def test_a_file_that_is_no_duckdb_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "no.duckdb").write_text("nothing of the kind")
    with pytest.raises(SourceError):
        described(str(tmp_path / "no.duckdb"))
    with pytest.raises(SourceError):
        described(str(tmp_path / "none.duckdb"))
