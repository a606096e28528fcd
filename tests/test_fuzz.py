"""Whatever arguments an agent makes up: JSON comes back, nothing outside of the roots is touched, nothing hangs."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.settings import Settings
from tools.context import ToolContext
from tools.toolbox import toolbox

# `make chaos` makes ten thousand of each tool.
EXAMPLES = 10_000 if os.environ.get("CREWLINE_CHAOS") else 300

WORDS = st.sampled_from(
    [
        "orders.csv",
        "orders.parquet",
        "*.csv",
        "out",
        ".",
        "",
        "..",
        "../secret.csv",
        "/etc/passwd",
        "link/secret.csv",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x",
        "s3://bucket/key",
        "simplecache::file:///etc/passwd",
        "postgresql://nobody@127.0.0.1:1/none",
        "~/.ssh/id_rsa",
        "orders.csv\0.parquet",
        "id",
        "amount",
        "nothing",
        "_row",
        "sum(amount)",
        "amount > 1",
        "amount > 1; DROP TABLE runs",
        "(SELECT 1)",
        "read_csv('/etc/passwd')",
        "id -- comment",
        "/* */ id",
        "getenv('HOME')",
        "pg_read_file('/etc/passwd')",
        "'" * 3,
        "(" * 200,
        "(?<x",
        "(a+)+$",
        "csv",
        "parquet",
        "etl",
        "integer",
        "decimal(99,9)",
        "last_24_hours",
        "\ud800",
        "ｏｒｄｅｒｓ",
        "🦆" * 50,
        "x" * 10_000,
        "{}",
        "name: x\nsources: {}\n",
    ]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20)
ANYTHING = st.recursive(
    PLAIN, lambda part: st.lists(part, max_size=3) | st.dictionaries(WORDS, part, max_size=3), max_leaves=8
)


def of_schema(schema: dict[str, Any], named: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of the shape that a schema asks for, with words of malice in the places of texts; now and then anything."""
    if "$ref" in schema:
        return st.deferred(lambda: of_schema(named[schema["$ref"].rpartition("/")[2]], named, depth + 1))
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of(*(of_schema(choice, named, depth) for choice in choices))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return st.lists(of_schema(schema.get("items", {}), named, depth + 1), max_size=3)
    if kind == "object":
        parts = {name: of_schema(part, named, depth + 1) for name, part in schema.get("properties", {}).items()}
        needed = schema.get("required", [])
        return st.fixed_dictionaries(
            {name: parts[name] for name in needed}, optional={n: p for n, p in parts.items() if n not in needed}
        )
    numbers = {
        "integer": st.integers(-5, 200),
        "number": st.floats(-5, 200),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return numbers.get(str(kind), WORDS | PLAIN)


def digest(folder: Path) -> str:
    """What stands in a folder, to the byte; links are not followed."""
    found = hashlib.sha256()
    for place in sorted(folder.rglob("*")):
        found.update(str(place).encode())
        if place.is_file() and not place.is_symlink():
            found.update(place.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture
def context(tmp_path: Path, outside: Path) -> Iterator[ToolContext]:
    root = tmp_path / "root"
    root.mkdir()
    (root / "orders.csv").write_text("id,amount\n1,10.5\n2,x\n3\n")
    (tmp_path / "secret.csv").write_text("id\n1\n")
    (root / "link").symlink_to(tmp_path)
    yield ToolContext(agent="fuzz", roots=(str(root),), timeout_s=20)


@pytest.mark.parametrize("number", range(4))
def test_no_arguments_break_out_of_a_tool_or_break_it(
    number: int, context: ToolContext, configuration: Settings, tmp_path: Path
) -> None:
    """No escape, no traceback; a call that hangs runs into the context's deadline, and the test's."""
    tool = toolbox(context)[number]
    schema = tool.args_schema.model_json_schema()
    shaped = of_schema(schema, schema.get("$defs", {}))
    secret = tmp_path / "secret.csv"
    before = secret.read_bytes()

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(arguments=shaped | st.dictionaries(st.sampled_from([*schema["properties"], "exec"]), ANYTHING, max_size=5))
    def holds(arguments: dict[str, Any]) -> None:
        text = tool.run(**arguments)
        assert isinstance(text, str)
        answer = json.loads(text)
        assert "Traceback" not in text
        if "error" in answer:
            assert answer["error"].keys() == {"kind", "message"}
            assert len(answer["error"]["message"]) < 5_000
        assert secret.read_bytes() == before
        assert sorted(place.name for place in tmp_path.iterdir()) == ["home", "root", "secret.csv"]

    try:
        holds()
    finally:
        tool.close()
