"""Functions that Spark lacks, or has with another meaning; Spark runs them in Python, on Arrow's columns.

They are made in here, not imported: so Spark sends them whole, and its machines need PyArrow, but not Crewline.
"""

from typing import Any

SEARCH = "crewline_search"
TEXT = "crewline_text"


def register(session: Any) -> None:
    """Make the functions known to a Spark session."""
    from pyspark.sql.functions import arrow_udf

    for name, function, kind in ((SEARCH, _search(), "boolean"), (TEXT, _text(), "string")):
        session.udf.register(name, arrow_udf(function, kind))


def _search() -> Any:
    import pyarrow as pa

    def search(text: pa.Array, pattern: pa.Array) -> pa.Array:
        """Whether the pattern, one for all rows, is found in the text. Arrow's dialect is RE2, as DuckDB's is."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.match_substring_regex(text, pattern[0].as_py()) if len(text) else pa.array([], pa.bool_())

    return search


def _text() -> Any:
    import pyarrow as pa

    def text(number: pa.Array) -> pa.Array:
        """The shortest text that stands for the float, such as `1.5` and `1e+20`."""
        import pyarrow as pa

        return pa.array([None if x is None else repr(x) for x in number.to_pylist()], pa.string())

    return text
