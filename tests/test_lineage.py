"""Lineage: where data comes from and goes to, by tasks, datasets and columns."""

from pathlib import Path

import pytest

from core import run as runs
from core.classification import Classification
from core.errors import InputError, Refused, RunNotFound
from core.spec import loads
from core.store import Database
from flows import DataPipelineFlow, RunReport
from tests import shop
from tools.context import ToolContext
from tools.orchestration.columns import SourceColumn, trace
from tools.orchestration.lineage import Lineage, lineage


def run(document: Path, database: Database) -> RunReport:
    report: RunReport = DataPipelineFlow(document, database=database).kickoff()
    return report


def ends(graph: Lineage, kind: str) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in graph.edges if edge.kind == kind}


def whole(graph: Lineage) -> bool:
    """Every edge leads between nodes that are there, each of which is there once."""
    ids = [node.id for node in graph.nodes]
    return len(ids) == len(set(ids)) and all({edge.source, edge.target} <= set(ids) for edge in graph.edges)


def test_a_published_column_is_traced_to_the_source_columns_it_is_made_of() -> None:
    spec = loads("""
name: chain
sources:
  orders: {kind: csv, path: o, columns: {id: string, p: string, price: float, n: integer, note: string}}
  products: {kind: csv, path: p, columns: {code: string, s: string, old: boolean}}
  suppliers: {kind: csv, path: s, columns: {id: string, country: string}}
validation:
  orders: [{check: expression, expression: "price > 0 or note = 'gift'"}, {check: unique, columns: [id]}]
transformation:
  orders:
    - {rule: derive, columns: {total: price * n, one: "1"}}
    - {rule: cast, columns: {total: "decimal(10,2)"}}
    - {rule: fill, columns: {note: none}}
  products: [{rule: filter, where: not old}]
enrichment:
  orders:
    - {rule: join, dataset: products, on: {p: code}, columns: [country]}
    - {rule: drop_nulls, columns: [country]}
  products: [{rule: join, dataset: suppliers, on: {s: id}, columns: [country]}]
aggregation: {dataset: orders, group_by: [country], aggregates: {orders: count(*), sum: sum(total), ones: sum(one)}}
target: {path: out}
""")
    found = trace(spec)
    made = {
        name: (derivation.kind, [f"{i.dataset}.{i.column}" for i in derivation.inputs], derivation.by)
        for name, derivation in found.columns.items()
    }
    assert made == {
        "country": ("identity", ["suppliers.country"], ()),
        "orders": ("aggregation", [], ("count(*)",)),
        "sum": (
            "aggregation",
            ["orders.n", "orders.price"],
            ("price * n", "cast(total: decimal(10,2))", "sum(total)"),
        ),
        "ones": ("aggregation", [], ("1", "sum(one)")),
    }
    decided = {(f"{i.input.dataset}.{i.input.column}", i.kind, i.by) for i in found.influences}
    assert decided == {
        ("orders.price", "check", "expression(price > 0 or note = 'gift')"),
        ("orders.note", "check", "expression(price > 0 or note = 'gift')"),
        ("orders.id", "check", "unique(id)"),
        ("orders.p", "join", "join(products)"),
        ("products.code", "join", "join(products)"),
        ("products.old", "filter", "not old"),
        ("products.s", "join", "join(suppliers)"),
        ("suppliers.id", "join", "join(suppliers)"),
        ("suppliers.country", "filter", "drop_nulls(country)"),
        ("suppliers.country", "group_by", "group_by(country)"),
    }


def test_columns_are_traced_through_rules_that_rename_split_merge_and_look_up() -> None:
    """A rename by swapping names; what a rule makes of several columns comes from all of them."""
    spec = loads("""
name: chain
sources:
  orders: {kind: csv, path: o, columns: {id: string, a: string, b: string, who: string, city: string}}
  cities: {kind: csv, path: c, columns: {name: string, country: string}}
transformation:
  orders:
    - {rule: rename, columns: {a: b, b: a}}
    - {rule: trim, columns: [a]}
    - {rule: split, column: who, by: " ", into: [first, last]}
    - {rule: merge, columns: [a, last], by: "-", into: label}
enrichment:
  orders: [{rule: lookup, dataset: cities, column: city, key: name, take: country, into: land}]
target: {path: out, dataset: orders}
""")
    made = {name: [i.column for i in found.inputs] for name, found in trace(spec).columns.items()}
    assert (made["a"], made["b"], made["first"]) == (["b"], ["a"], ["who"])
    assert set(made["label"]) == {"b", "who"}
    assert made["land"] == ["country"]
    assert trace(spec).columns["a"].by == ("trim(a)",)


def test_columns_that_are_left_out_lead_nowhere() -> None:
    spec = loads("""
name: small
sources: {orders: {kind: csv, path: o, columns: {id: string, note: string}}}
transformation: {orders: [{rule: select, columns: [id]}, {rule: deduplicate, columns: [id]}]}
target: {path: out}
""")
    found = trace(spec)
    assert list(found.columns) == ["id"]
    assert [(i.input, i.kind) for i in found.influences] == [
        (SourceColumn(dataset="orders", column="id"), "deduplicate")
    ]


def test_the_lineage_of_a_run_leads_from_its_sources_to_what_it_published(tmp_path: Path, database: Database) -> None:
    """The second round's tasks, since the gate enhanced; with what was read, written and left."""
    report = run(shop.build(tmp_path / "shop"), database)
    graph = lineage(database, ToolContext(), run_id=report.run_id)
    assert whole(graph)
    nodes = {node.id: node for node in graph.nodes}
    assert graph.subject == f"run:{report.run_id}"
    assert {("source:orders", f"task:ingestion/orders/{n}") for n in (0, 1)} <= ends(graph, "reads")
    assert ("dataset:validation/products/0@1", "task:enrichment/orders/0@1") in ends(graph, "looks_up")
    [(last, output)] = ends(graph, "publishes")
    assert (last, output) == ("dataset:aggregation/orders/0@1", f"output:{tmp_path}/shop/out/revenue")
    assert Path(nodes[output].details["version"]).is_dir()
    files = sorted(Path(path).name for path in nodes["source:orders"].details["files"])
    assert files == ["orders-1.csv", "orders-2.csv"]
    for source, target in ends(graph, "writes"):
        rows = nodes[source].details["rows"]
        assert nodes[source].details["status"] == "done"
        if "aggregation" not in target:
            assert nodes[target].details["rows"] == rows["rows_out"]
    assert nodes["task:transformation/orders/0@1"].details["left"].keys() == {"filtered:filter(amount > 20)"}
    derived = ends(graph, "derives")
    assert ("column:sources/orders.amount", "column:target/revenue") in derived
    assert ("column:sources/products.category", "column:target/category") in derived
    assert ("column:sources/orders.product", output) in ends(graph, "decides")
    assert (f"run:{report.run_id}", "pipeline:shop") in ends(graph, "part_of")


def test_the_lineage_of_a_pipeline_needs_no_run_of_this_version(tmp_path: Path, database: Database) -> None:
    report = run(shop.build(tmp_path / "shop"), database)
    graph = lineage(database, ToolContext(), "shop")
    assert whole(graph)
    assert not [node for node in graph.nodes if node.kind == "run"]
    of_run = lineage(database, ToolContext(), run_id=report.run_id)
    for kind in ("derives", "decides"):
        assert ends(graph, kind) == ends(of_run, kind)
    assert ("dataset:aggregation/orders", f"output:{tmp_path}/shop/out/revenue") in ends(graph, "publishes")


def test_a_run_that_published_nothing_leads_to_no_output(tmp_path: Path, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    report = DataPipelineFlow(document, database=database, listener=shop.spoiling(tmp_path / "shop")).kickoff()
    graph = lineage(database, ToolContext(), run_id=report.run_id)
    assert whole(graph)
    nodes = {node.id: node for node in graph.nodes}
    assert nodes["task:ingestion/products/0"].details["status"] == "failed"
    assert nodes["task:aggregation/orders/0"].details["status"] == "not begun"
    assert not ends(graph, "publishes")


def test_a_run_that_never_got_to_its_plan_has_only_its_pipeline(database: Database, run_id: str) -> None:
    graph = lineage(database, ToolContext(), run_id=run_id)
    assert {node.id for node in graph.nodes} == {"pipeline:small", "run:small-1"}
    assert whole(graph)


def test_what_is_not_on_record_has_no_lineage(database: Database) -> None:
    with pytest.raises(RunNotFound):
        lineage(database, ToolContext(), run_id="nobody")
    with pytest.raises(InputError, match="no pipeline 'nothing'"):
        lineage(database, ToolContext(), "nothing")


def test_the_lineage_of_confidential_data_is_refused_without_the_clearance(database: Database) -> None:
    runs.create(database, "pay-1", loads(shop.RESTRICTED), base_dir="/data", document=None)
    with pytest.raises(Refused):
        lineage(database, ToolContext(), run_id="pay-1")
    assert lineage(database, ToolContext(clearance=Classification.RESTRICTED), run_id="pay-1").nodes
