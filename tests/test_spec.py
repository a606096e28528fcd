"""The pipeline document: what is refused names its place and says what is allowed; what is read is what was meant."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import SpecError
from core.spec import Column, CsvSource, DropNulls, NotNull, PipelineSpec, Target, load, loads
from core.spec.document import parse

CONTENT: dict[str, Any] = {
    "name": "shop",
    "sources": {
        "orders": {
            "kind": "csv",
            "path": "orders.csv",
            "columns": {
                "order_id": "string",
                "product_id": "string",
                "ordered_on": "date",
                "quantity": "integer",
                "price": "decimal(12,2)",
            },
        },
        "products": {
            "kind": "jsonl",
            "path": "products.jsonl",
            "columns": {"product_id": "string", "category": "string"},
        },
    },
    "validation": {
        "orders": [
            {"check": "not_null", "column": "order_id"},
            {"check": "between", "column": "quantity", "min": 1},
            {"check": "unique", "columns": ["order_id"]},
        ]
    },
    "transformation": {
        "orders": [
            {"rule": "filter", "where": "quantity > 0"},
            {"rule": "derive", "columns": {"revenue": "quantity * price"}},
            {"rule": "fill", "columns": {"quantity": 0}},
        ]
    },
    "enrichment": {
        "orders": [
            {"rule": "join", "dataset": "products", "on": {"product_id": "product_id"}, "columns": ["category"]},
        ]
    },
    "aggregation": {"dataset": "orders", "group_by": ["category"], "aggregates": {"revenue": "sum(revenue)"}},
    "target": {"path": "out"},
}

TYPES = "string, integer, float, boolean, date, timestamp, decimal(P,S)"
JOIN = {"rule": "join", "on": {"product_id": "product_id"}, "columns": ["category"]}


def changed(place: str, value: Any) -> dict[str, Any]:
    """CONTENT with another value at `place`; a place that ends in `.+` adds to a list."""
    content = copy.deepcopy(CONTENT)
    *path, last = place.split(".")
    part: Any = content
    for key in path:
        part = part[int(key)] if isinstance(part, list) else part[key]
    if last == "+":
        part.append(value)
    elif isinstance(part, list):
        part[int(last)] = value
    else:
        part[last] = value
    return content


def without(place: str) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    *path, last = place.split(".")
    part: Any = content
    for key in path:
        part = part[int(key)] if isinstance(part, list) else part[key]
    del part[last]
    return content


def problems(content: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse(content, document="shop.yaml")
    assert str(caught.value) == "shop.yaml: " + "; ".join(caught.value.problems)
    return caught.value.problems


def places(content: Any) -> list[str]:
    return [told.split(": ")[0] for told in problems(content)]


def test_the_document_that_the_tests_break_is_right() -> None:
    spec = parse(CONTENT)
    assert (spec.name, spec.result, spec.joined) == ("shop", "orders", {"products"})


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (
            "sorces",
            {},
            "sorces: unknown key; did you mean 'sources'? Allowed: name, description, complexity, sources, ",
        ),
        (
            "sources.orders.delimter",
            ";",
            "sources.orders.delimter: unknown key; did you mean 'delimiter'?"
            " Allowed: columns, on_schema_change, path, also_at, kind, delimiter, quote, encoding",
        ),
        (
            "sources.products.delimiter",
            ";",
            "sources.products.delimiter: unknown key. Allowed: columns, on_schema_change, path, also_at",
        ),
        (
            "sources.orders.columns.quantity",
            {"type": "integer", "nullable": False},
            "sources.orders.columns.quantity.nullable: unknown key. Allowed: type",
        ),
        (
            "validation.orders.1.minimum",
            1,
            "validation.orders.1.minimum: unknown key; did you mean 'min'? Allowed: severity, per, check, column, min",
        ),
        (
            "transformation.orders.0.were",
            "x",
            "transformation.orders.0.were: unknown key; did you mean 'where'? Allowed: rule, where",
        ),
        (
            "enrichment.orders.0.colums",
            [],
            "enrichment.orders.0.colums: unknown key; did you mean 'columns'?"
            " Allowed: rule, dataset, on, columns, missing",
        ),
        (
            "aggregation.groupby",
            ["x"],
            "aggregation.groupby: unknown key; did you mean 'group_by'? Allowed: dataset, group_by, aggregates",
        ),
        ("gate", {"treshold": {}}, "gate.treshold: unknown key; did you mean 'thresholds'? Allowed: thresholds, "),
        (
            "target.partitionby",
            [],
            "target.partitionby: unknown key; did you mean 'partition_by'?"
            " Allowed: path, format, partition_by, dataset",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_meant(place: str, value: Any, problem: str) -> None:
    (told,) = problems(changed(place, value))
    assert told.startswith(problem)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (
            "sources.orders.kind",
            "cvs",
            "sources.orders: 'cvs' is not allowed; allowed are 'csv', 'jsonl', 'parquet', 'postgres'",
        ),
        (
            "validation.orders.0.check",
            "notnull",
            "validation.orders.0: 'notnull' is not allowed;"
            " allowed are 'not_null', 'unique', 'in_set', 'between', 'matches', 'type', 'foreign_key',"
            " 'expression', 'freshness', 'row_count', 'distribution'",
        ),
        (
            "transformation.orders.0",
            {**JOIN, "dataset": "products"},
            "transformation.orders.0: 'join' looks up another dataset; put it into enrichment",
        ),
        (
            "transformation.orders.0",
            {"rule": "unpivot", "columns": ["quantity"]},
            "transformation.orders.0: 'unpivot' makes other rows of them, which no stage may;"
            " group with `aggregation` instead",
        ),
        (
            "enrichment.orders.0.rule",
            "joined",
            "enrichment.orders.0: 'joined' is not allowed; allowed are"
            " 'select', 'rename', 'cast', 'derive', 'filter', 'fill', 'drop_nulls', 'trim', 'case', 'replace', 'map',"
            " 'parse_dates', 'deduplicate', 'join', 'lookup', 'aggregate', 'window', 'pivot', 'unpivot', 'scale',"
            " 'standardise', 'split', 'merge', 'hash', 'mask', 'flatten'",
        ),
    ],
)
def test_a_wrong_kind_is_refused_with_the_allowed_ones(place: str, value: Any, problem: str) -> None:
    assert problems(changed(place, value)) == [problem]


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("name", "name: is required"),
        ("sources", "sources: is required"),
        ("target", "target: is required"),
        ("target.path", "target.path: is required"),
        ("sources.orders.kind", "sources.orders: the key 'kind' is required"),
        ("sources.orders.path", "sources.orders.path: is required"),
        ("sources.products.columns", "sources.products.columns: is required"),
        ("validation.orders.0.check", "validation.orders.0: the key 'check' is required"),
        ("validation.orders.0.column", "validation.orders.0.column: is required"),
        ("validation.orders.1.min", "validation.orders.1: give min, max or both"),
        ("transformation.orders.0.where", "transformation.orders.0.where: is required"),
        ("enrichment.orders.0.on", "enrichment.orders.0.on: is required"),
        ("aggregation.group_by", "aggregation.group_by: is required"),
    ],
)
def test_a_missing_key_is_named_with_its_place(place: str, problem: str) -> None:
    (told,) = problems(without(place))
    assert told.startswith(problem)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (
            "sources.orders.columns.quantity",
            "int",
            f"sources.orders.columns.quantity.type: 'int' is no type; allowed are {TYPES} (got 'int')",
        ),
        (
            "sources.orders.columns.price",
            "decimal(39,2)",
            f"sources.orders.columns.price.type: 'decimal(39,2)' is no type; allowed are {TYPES} (got 'decimal(39,2)')",
        ),
        (
            "sources.orders.columns.price",
            "decimal(P,S)",
            f"sources.orders.columns.price.type: 'decimal(P,S)' is no type; allowed are {TYPES} (got 'decimal(P,S)')",
        ),
        (
            "sources.orders.columns.quantity",
            None,
            f"sources.orders.columns.quantity: give the column's type; allowed are {TYPES} (got None)",
        ),
        (
            "transformation.orders.0",
            {"rule": "cast", "columns": {"quantity": "number"}},
            f"transformation.orders.0.columns: 'number' is no type; allowed are {TYPES}",
        ),
        ("sources.orders.columns", {}, "sources.orders.columns: Dictionary should have at least 1 item"),
        ("sources.orders.columns", ["order_id"], "sources.orders.columns: must be a mapping (got ['order_id'])"),
        ("sources", None, "sources: must be a mapping (got None)"),
        ("validation.orders.2.columns", [], "validation.orders.2.columns: List should have at least 1 item"),
        ("validation.orders", None, "validation.orders: must be a list (got None)"),
        ("validation.orders.2.columns", "order_id", "validation.orders.2.columns: must be a list (got 'order_id')"),
        ("transformation.orders.0", "filter", "transformation.orders.0: must be a mapping (got 'filter')"),
        (
            "transformation.orders.2.columns.quantity",
            [0],
            "transformation.orders.2.columns.quantity: Input should be a valid string or Input should be a valid",
        ),
        ("sources.orders.delimiter", ";;", "sources.orders.delimiter: String should have at most 1 character"),
        (
            "sources.orders.encoding",
            "utf8",
            "sources.orders.encoding: Input should be 'utf-8', 'latin-1', 'windows-1252' or 'utf-16'",
        ),
        (
            "validation.orders.0.severity",
            "fatal",
            "validation.orders.0.severity: Input should be 'critical', 'major' or 'minor' (got 'fatal')",
        ),
        ("validation.orders.1.min", "low", "validation.orders.1.min: Input should be a valid number"),
        ("validation.orders.1.min", float("nan"), "validation.orders.1.min: Input should be a finite number"),
        ("validation.orders.1.max", 0, "validation.orders.1: min is above max"),
        ("gate", {"thresholds": {"accuracy": 95}}, "gate.thresholds.accuracy: Input should be less than or equal to 1"),
        (
            "gate",
            {"thresholds": {"beauty": 0.9}},
            "gate.thresholds.beauty: Input should be 'completeness', 'consistency' or 'accuracy'",
        ),
        ("gate", {"publish": float("inf")}, "gate.publish: Input should be"),
        ("name", "my shop", "name: String should match pattern '^[A-Za-z0-9][A-Za-z0-9_-]*$' (got 'my shop')"),
        ("complexity", "hard", "complexity: Input should be 'auto', 'simple', 'standard' or 'complex' (got 'hard')"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_what_is_allowed(place: str, value: Any, problem: str) -> None:
    (told,) = problems(changed(place, value))
    assert told.startswith(problem)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (
            "validation.order",
            [{"check": "not_null", "column": "order_id"}],
            "validation.order: there is no source 'order'; there are orders, products",
        ),
        ("transformation.x", [], "transformation.x: there is no source 'x'; there are orders, products"),
        ("enrichment.x", [], "enrichment.x: there is no source 'x'; there are orders, products"),
        (
            "enrichment.orders.0.dataset",
            "goods",
            "enrichment.orders.0.dataset: there is no source 'goods'; there are orders, products",
        ),
        ("aggregation.dataset", "x", "aggregation.dataset: there is no source 'x'; there are orders, products"),
        ("target.dataset", "x", "target.dataset: there is no source 'x'; there are orders, products"),
        (
            "enrichment.orders.0.dataset",
            "orders",
            "enrichment.orders.0.dataset: 'orders' cannot be joined with itself",
        ),
        (
            "enrichment.products",
            [{**JOIN, "dataset": "orders"}],
            "enrichment: orders, products look each other up in a circle",
        ),
        ("enrichment", {}, "sources.products: its rows reach no result; join it, or leave it out"),
        (
            "target.partition_by",
            ["month"],
            "target.partition_by.0: the result has no column 'month'; it has category, revenue",
        ),
        (
            "target.partition_by",
            ["category", "revenue"],
            "target.partition_by: at least one column must be left to stand in the files",
        ),
        (
            "validation.orders.0.column",
            "id",
            "validation.orders.0: the source declares no column 'id'; it declares"
            " order_id, product_id, ordered_on, quantity, price",
        ),
        (
            "validation.orders.2.columns",
            ["order_id", "id"],
            "validation.orders.2: the source declares no column 'id'; it declares"
            " order_id, product_id, ordered_on, quantity, price",
        ),
        (
            "validation.orders.1.column",
            "ordered_on",
            "validation.orders.1: 'ordered_on' is of type date, but its bounds are numbers",
        ),
        (
            "sources.orders.columns._row",
            "integer",
            "sources.orders.columns: column '_row' begins with '_', which is kept for Crewline's own columns",
        ),
        (
            "aggregation.aggregates._rows",
            "count(*)",
            "aggregation: column '_rows' begins with '_', which is kept for Crewline's own columns",
        ),
        (
            "aggregation.aggregates.category",
            "count(*)",
            "aggregation: 'category' is both grouped by and an aggregate",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(place: str, value: Any, problem: str) -> None:
    assert problems(changed(place, value)) == [problem]


def test_each_place_gets_its_own_line() -> None:
    content = changed("validation.x", [])
    content["transformation"]["y"] = []
    content["validation"]["orders"][0]["column"] = "id"
    assert places(content) == ["validation.x", "transformation.y", "validation.orders.0"]
    content = without("name")
    content["sources"]["orders"]["kind"] = "cvs"
    content["gate"] = {"retries": -1}
    assert places(content) == ["name", "sources.orders", "gate.retries"]


@pytest.mark.parametrize("name", ["", "../orders", "a/b", "_orders", "a b", "x" * 61, "a.b", "ä"])
def test_a_source_whose_name_is_no_folder_name_is_refused(name: str) -> None:
    """Names of sources become folders and parts of step keys."""
    content = changed("sources", {name: CONTENT["sources"]["orders"]})
    (told,) = problems({"name": "shop", "sources": content["sources"], "target": {"path": "out"}})
    assert told.startswith(f"sources.{name}: String should ")


def test_what_is_published_must_be_named_where_several_datasets_could_be() -> None:
    content = {key: CONTENT[key] for key in ("name", "sources", "target")}
    assert problems(content) == ["target.dataset: name the dataset to publish, one of orders, products"]
    content = {**content, "target": {"path": "out", "dataset": "orders"}}
    assert problems(content) == ["sources.products: its rows reach no result; join it, or leave it out"]


def test_a_longer_circle_of_joins_is_refused_by_its_members_only() -> None:
    source = {"kind": "csv", "path": "x.csv", "columns": {"product_id": "string", "category": "string"}}
    content = {
        "name": "circle",
        "sources": dict.fromkeys("abcd", source),
        "enrichment": {a: [{**JOIN, "dataset": b}] for a, b in ("ab", "bc", "ca", "da")},
        "target": {"path": "out"},
    }
    # d is in no circle, but cannot be done either before what it looks up.
    assert problems(content) == ["enrichment: a, b, c, d look each other up in a circle"]


def test_a_dataset_may_be_looked_up_through_another() -> None:
    source = {"kind": "csv", "path": "x.csv", "columns": {"product_id": "string", "category": "string"}}
    content = {
        "name": "chain",
        "sources": dict.fromkeys("abc", source),
        "enrichment": {a: [{**JOIN, "dataset": b}] for a, b in ("ab", "bc")},
        "target": {"path": "out"},
    }
    assert parse(content).result == "a"


YAML = """
name: words
sources:
  orders: {kind: csv, path: a.csv, columns: {order_id: string, status: string}}
  states: {kind: csv, path: b.csv, columns: {status: string, label: string}}
validation:
  orders:
    - {check: in_set, column: status, values: [on, off, yes, no, y, n, True, 2025-01-31, 12:30, 010, 0x1F, 1_000]}
transformation:
  orders:
    - rule: fill
      columns: {flag: true, no: no, count: 7, share: .5, small: -1.5e-3, code: "7", zip: 01234, when: 2025-02-30}
enrichment:
  orders:
    - {rule: join, dataset: states, on: {status: status}, columns: [label]}
target: {path: out}
"""


def test_words_of_yaml_stay_words() -> None:
    """Only null, true, false and decimal numbers are more than words; `on:` is the key of a join, not a truth value."""
    spec = loads(YAML)
    (in_set,) = spec.content()["validation"]["orders"]
    assert in_set["values"] == [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "n",
        "True",
        "2025-01-31",
        "12:30",
        "010",
        "0x1F",
        "1_000",
    ]
    (fill,) = spec.content()["transformation"]["orders"]
    assert list(fill["columns"].items()) == [
        ("flag", True),
        ("no", "no"),
        ("count", 7),
        ("share", 0.5),
        ("small", -0.0015),
        ("code", "7"),
        ("zip", "01234"),
        ("when", "2025-02-30"),
    ]
    assert [type(value) for value in fill["columns"].values()] == [bool, str, int, float, float, str, str, str]
    (join,) = spec.content()["enrichment"]["orders"]
    assert join["on"] == {"status": "status"}


def test_bounds_may_be_dates() -> None:
    text = """
        name: dates
        sources: {o: {kind: csv, path: a.csv, columns: {d: date}}}
        validation: {o: [{check: between, column: d, min: 2025-01-01, max: 2025-12-31}]}
        target: {path: out}
    """
    spec = loads(text)
    assert spec.content()["validation"]["o"][0]["min"] == "2025-01-01"
    assert parse(spec.content()) == spec
    with pytest.raises(SpecError, match=r"validation\.o\.0\.min: .*valid date"):
        loads(text.replace("2025-01-01", "2025-02-30"))
    with pytest.raises(SpecError, match=r"validation\.o\.0: min and max must both be numbers or both be dates"):
        loads(text.replace("2025-01-01", "1"))


def test_what_repeats_may_be_written_once() -> None:
    """Anchors, and merges into a mapping, whose own keys win."""
    spec = loads(
        """
        name: merged
        sources: {o: {kind: csv, path: a.csv, columns: {a: string, b: string}}}
        validation: {o: [&filled {check: not_null, column: a, severity: minor}, {<<: *filled, column: b}]}
        target: {path: out}
        """
    )
    first, second = spec.validation["o"]
    assert (first.name, second.name, second.severity) == ("not_null(a)", "not_null(b)", first.severity)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: a\nname: b\n", "is not YAML: key 'name' stands twice in .* line 2, column 1"),
        ("name: a\nsources: {o: {kind: csv, kind: jsonl}}\n", "is not YAML: key 'kind' stands twice in .* line 2,"),
        ("name: [a\n", "is not YAML: .* line 2, column 1"),
        ("a:\n\tb: c\n", "is not YAML: .* line 2, column 1"),
        ("name: a\n---\nname: b\n", "is not YAML: expected a single document"),
        ("? [a]\n: b\n", "is not YAML: .*unhashable key"),
        ("name: !!python/object/apply:os.getcwd []\n", "is not YAML: could not determine a constructor"),
        ("name: 'a\x07'\n", "is not YAML: .*special characters are not allowed"),
        ("[" * 20_000, "is nested too deeply"),
        ("", "the document must be a mapping with name, sources and target"),
        ("just words", "the document must be a mapping with name, sources and target"),
        ("- name: a\n", "the document must be a mapping with name, sources and target"),
    ],
)
def test_a_document_that_is_no_yaml_mapping_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=problem) as caught:
        load(path)
    assert caught.value.document == str(path)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "prepare",
    [
        lambda path: None,
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(b"PAR1\xff\xfe\x00\x80"),
    ],
    ids=["missing", "folder", "binary"],
)
def test_a_file_that_cannot_be_read_is_refused_by_its_path(prepare: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    prepare(path)
    with pytest.raises(SpecError, match="cannot be read: ") as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert caught.value.remedy == "Give the path of a YAML file."


def test_the_example_in_the_repository_is_right() -> None:
    path = Path(__file__).parents[1] / "examples/retail/pipeline.yaml"
    spec = load(path)
    assert spec == load(str(path))
    assert spec.result == "orders"


def test_a_spec_built_in_python_is_the_one_that_is_read() -> None:
    spec = PipelineSpec(
        name="small",
        sources={"o": CsvSource(kind="csv", path="a.csv", columns={"a": Column(type="DECIMAL(12, 2)")})},
        validation={"o": (NotNull(check="not_null", column="a"),)},
        transformation={"o": (DropNulls(rule="drop_nulls", columns=("a",)),)},
        target=Target(path="out"),
    )
    read = loads(
        """
        name: small
        sources: {o: {kind: csv, path: a.csv, columns: {a: 'decimal(12,2)'}}}
        validation: {o: [{check: not_null, column: a}]}
        transformation: {o: [{rule: drop_nulls, columns: [a]}]}
        target: {path: out}
        """
    )
    assert (spec, spec.fingerprint) == (read, read.fingerprint)
    with pytest.raises(ValidationError, match="its rows reach no result"):
        PipelineSpec(name="x", sources={**spec.sources, "p": spec.sources["o"]}, target=Target(path="o", dataset="o"))


def test_a_spec_does_not_change_once_read() -> None:
    spec = parse(CONTENT)
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        spec.target.path = "elsewhere"  # type: ignore[misc]


def test_the_fingerprint_tells_different_pipelines_apart() -> None:
    others = [
        changed("name", "shop2"),
        changed("description", "A shop."),
        changed("sources.orders.columns.quantity", "float"),
        changed("validation.orders.1.min", 2),
        changed("validation.orders.0.severity", "minor"),
        changed("transformation.orders", CONTENT["transformation"]["orders"][::-1]),
        changed("enrichment.orders.0.missing", "keep"),
        changed("gate", {"publish": 0.9}),
        changed("target.path", "elsewhere"),
        without("aggregation") | {"target": {"path": "out", "dataset": "orders"}},
    ]
    assert len({parse(content).fingerprint for content in [CONTENT, *others]}) == 1 + len(others)


names = st.sampled_from(["a", "b", "c", "no", "ä ö", "Null"])
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6)
several = st.lists(names, min_size=1, max_size=3, unique=True)
types = st.sampled_from(["string", "integer", "float", "boolean", "date", "timestamp", "decimal(12,2)"])
declarations = st.dictionaries(names, types | types.map(lambda text: {"type": text}), min_size=1)


def one(tag: str, kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({tag: st.just(kind), **fields})


checks = st.one_of(
    one("check", "in_set", column=st.just("a"), values=st.lists(words, min_size=1, max_size=3)),
    one("check", "between", column=st.just("n"), min=numbers),
    one("check", "matches", column=st.just("a"), pattern=words),
    one("check", "unique", columns=st.just(["a", "n"]), severity=st.sampled_from(["critical", "major", "minor"])),
    one("check", "expression", expression=words),
)
rules = st.one_of(
    one("rule", "select", columns=several),
    one("rule", "cast", columns=st.dictionaries(names, types, min_size=1)),
    one("rule", "derive", columns=st.dictionaries(names, words, min_size=1)),
    one("rule", "filter", where=words),
    one("rule", "fill", columns=st.dictionaries(names, words | numbers | st.booleans(), min_size=1)),
    one("rule", "deduplicate", columns=several),
)
shares = st.floats(0, 1)
thresholds = st.dictionaries(st.just("accuracy"), shares)
aggregates = st.dictionaries(words.map("x".__add__), words, min_size=1)
documents = st.fixed_dictionaries(
    {
        "name": st.just("any"),
        "sources": declarations.map(
            lambda declared: {
                "o": {"kind": "csv", "path": "a", "columns": {"a": "string", **declared, "n": "float"}},
                "p": {"kind": "postgres", "table": "s.t", "columns": {"k": "string", "v": "date"}},
            }
        ),
        "validation": st.fixed_dictionaries({}, optional={"o": st.lists(checks, max_size=3)}),
        "transformation": st.fixed_dictionaries({}, optional={name: st.lists(rules, max_size=3) for name in "op"}),
        "enrichment": st.just({"o": [{"rule": "join", "dataset": "p", "on": {"a": "k"}, "columns": ["v"]}]}),
        "target": st.fixed_dictionaries({"path": words}),
    },
    optional={
        "description": words,
        "gate": st.fixed_dictionaries({}, optional={"publish": shares, "thresholds": thresholds}),
        "aggregation": st.fixed_dictionaries({"dataset": st.just("o"), "group_by": several, "aggregates": aggregates}),
    },
)


def shuffled(value: Any, order: Random) -> Any:
    """The same with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(documents, st.integers())
@settings(max_examples=80)
def test_a_spec_reads_back_equal_from_its_content_in_any_order_of_keys(content: dict[str, Any], seed: int) -> None:
    spec = parse(content)
    stored = json.loads(json.dumps(spec.content()))
    again = parse(shuffled(stored, Random(seed)))
    assert again == spec
    assert again.fingerprint == spec.fingerprint
    assert parse(shuffled(content, Random(seed))).fingerprint == spec.fingerprint
