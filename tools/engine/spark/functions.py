"""What Spark lacks, or means otherwise, computed by DuckDB itself: on each batch of Arrow that Spark hands to Python.

The functions are made in here, not imported: so Spark sends them whole, and its machines need DuckDB and PyArrow, but
not Crewline.
"""

from typing import Any

# By name: the type of the result, and DuckDB's expression over a column `a` and constants in braces.
_EXPRESSIONS = {
    "search": ("boolean", "regexp_matches(a, {})"),
    "replace": ("string", "regexp_replace(a, {}, {}, 'g')"),
    "extract": ("string", "regexp_extract(a, {}, {})"),
    "text": ("string", "CAST(a AS VARCHAR)"),
    "json": ("string", "CAST(TRY_CAST(a AS JSON) AS VARCHAR)"),
    "json_item": ("string", "CAST(CAST(a AS JSON) -> {} AS VARCHAR)"),
    "json_string": ("string", "CASE WHEN json_type(a) = 'VARCHAR' THEN a ->> '$' END"),
}


def register(session: Any) -> None:
    """Make the functions known to a Spark session, each as `crewline_` and its name."""
    from pyspark.sql.functions import arrow_udf

    for name, (kind, expression) in _EXPRESSIONS.items():
        session.udf.register(f"crewline_{name}", arrow_udf(_computed(expression), kind))


def _computed(expression: str) -> Any:
    import pyarrow as pa

    def compute(a: pa.Array, *constants: pa.Array) -> pa.Array:
        import duckdb
        import pyarrow as pa

        values = [constant[0].as_py() for constant in constants] if len(a) else [""] * len(constants)
        quoted = ["'" + v.replace("'", "''") + "'" if isinstance(v, str) else str(v) for v in values]
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register("batch", pa.table({"a": a}))
            found = connection.sql(f"SELECT {expression.format(*quoted)} AS x FROM batch").to_arrow_table()
        return found["x"].combine_chunks()

    return compute
