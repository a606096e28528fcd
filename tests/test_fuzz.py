"""Whatever arguments an agent makes up: JSON comes back, nothing outside of the roots is touched, nothing hangs."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.settings import Settings
from tools.context import ToolContext
from tools.toolbox import toolbox

# For each of the four tools; `make chaos` makes ten thousand in all.
EXAMPLES = 2_500 if os.environ.get("CREWLINE_CHAOS") else 300

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


DOCUMENT = """
name: shop
sources: {orders: {kind: csv, path: orders.csv, columns: {id: integer, amount: float}}}
target: {path: out/orders}
"""

# For each tool, arguments that it can work with; what a model makes up is mostly near to some of these.
SOUND: dict[str, list[dict[str, Any]]] = {
    "data_discovery": [{"query": "orders", "source_types": [], "domains": [], "freshness": "last_24_hours"}],
    "data_quality": [
        {
            "path": "orders.csv",
            "columns": {"amount": "decimal(8,2)"},
            "checks": [
                {"check": "not_null", "column": "id"},
                {"check": "unique", "columns": ["id"]},
                {"check": "matches", "column": "id", "pattern": "[0-9]+"},
                {"check": "between", "column": "amount", "min": 0, "max": 100},
                {"check": "expression", "expression": "amount > 1"},
                {"check": "row_count", "min": 1},
                {"check": "foreign_key", "dataset": "others", "on": {"id": "id"}},
            ],
            "references": {"others": "orders.csv"},
        }
    ],
    "data_transformation": [
        {
            "source": {"path": "orders.csv", "columns": {"id": "integer", "amount": "string"}},
            "rules": [
                {"rule": "cast", "columns": {"amount": "decimal(8,2)"}},
                {"rule": "derive", "columns": {"twice": "amount * 2"}},
                {"rule": "filter", "where": "id > 0"},
                {"rule": "mask", "columns": ["amount"], "keep": 2},
            ],
            "checks": [{"check": "not_null", "column": "id"}],
            "output": "out",
            "partition_by": ["id"],
        },
        {
            "source": "orders.csv",
            "rules": [
                {"rule": "replace", "columns": ["amount"], "pattern": "[.]", "by": ","},
                {"rule": "split", "column": "amount", "by": ",", "into": ["whole", "rest"]},
                {"rule": "aggregate", "group_by": ["id"], "aggregates": {"n": "count(*)"}},
            ],
            "output": "out2",
            "output_format": "csv",
        },
    ],
    "pipeline_orchestrator": [
        {"action": "create", "document": DOCUMENT},
        {"action": "create", "path": "orders.csv"},
        {"action": "status", "pipeline": "shop"},
        {"action": "lineage", "pipeline": "shop"},
    ],
}


# What has few words to choose from is refused at once with any other.
CLOSED = {"action", "check", "freshness", "output_format", "rule"}


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places in a value, the deepest and those above them."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(leaf for key, part in inner for leaf in leaves(part, (*place, key)))]


def replaced(value: Any, place: tuple[Any, ...], by: Any) -> Any:
    """The value with something else in a place."""
    if not place:
        return by
    changed = copy.copy(value)
    changed[place[0]] = replaced(value[place[0]], place[1:], by)
    return changed


def at(value: Any, place: tuple[Any, ...]) -> Any:
    return at(value[place[0]], place[1:]) if place else value


@st.composite
def nearly(draw: st.DrawFn, sound: list[dict[str, Any]]) -> dict[str, Any]:
    """Sound arguments, with up to three texts that mean harm, and now and then something else in a place."""
    arguments = draw(st.sampled_from(sound))
    texts = [p for p in leaves(arguments) if isinstance(at(arguments, p), str) and p[-1] not in CLOSED]
    for place in draw(st.lists(st.sampled_from(texts), min_size=1, max_size=3, unique=True)):
        arguments = replaced(arguments, place, draw(WORDS))
    if draw(st.integers(0, 4)) == 0:
        arguments = replaced(arguments, draw(st.sampled_from(leaves(arguments)[1:])), draw(ANYTHING))
    return arguments


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    root = tmp_path / "root"
    root.mkdir()
    (root / "orders.csv").write_text("id,amount\n1,10.5\n2,x\n3\n")
    (tmp_path / "secret.csv").write_text("id\n1\n")
    (root / "link").symlink_to(tmp_path)
    return ToolContext(agent="fuzz", roots=(str(root),), timeout_s=20)


# The threads of connection pools, which live on from example to example, use `random` while arguments are drawn.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.parametrize("number", range(4))
def test_no_arguments_break_out_of_a_tool_or_break_it(
    number: int, context: ToolContext, configuration: Settings, tmp_path: Path
) -> None:
    """No escape, no traceback; a call that hangs runs into the context's deadline, and the test's."""
    tool = toolbox(context)[number]
    names = [*tool.args_schema.model_fields, "exec"]
    made_up = st.dictionaries(st.sampled_from(names), ANYTHING, max_size=5)
    secret = tmp_path / "secret.csv"
    before = secret.read_bytes()

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(arguments=st.one_of(nearly(SOUND[tool.name]), nearly(SOUND[tool.name]), made_up))
    def holds(arguments: dict[str, Any]) -> None:
        text = tool.run(**arguments)
        assert isinstance(text, str)
        answer = json.loads(text)
        assert "Traceback" not in text
        if "error" in answer:
            assert answer["error"].keys() == {"kind", "message"}
            assert len(answer["error"]["message"]) < 1_100
        assert secret.read_bytes() == before
        assert {place.name for place in tmp_path.iterdir()} <= {"home", "root", "secret.csv"}

    try:
        holds()
    finally:
        tool.close()
