"""The built-in agents, on the retail example's data: each stage balances to the row, sharded or not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.dataset import DatasetRef
from core.errors import Interrupted, RuleError
from core.ledger import check_account
from core.spec import PipelineSpec, load
from core.stop import Stop
from core.store import Database
from core.task import Dimension, Outcome, Stage, Task
from crews import AGENTS, Work
from tests import retail
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.sources import Part, Surroundings, reader
from tools.transformation.aggregation import ROWS
from tools.transformation.columns import needed_after

DATASETS = ("customers", "orders", "products")


def rows(*refs: DatasetRef | None) -> list[dict[str, Any]]:
    """All rows of some references, in the order of their ids."""
    found = [row for ref in refs if ref for path in ref.paths for row in pq.ParquetFile(path).read().to_pylist()]
    return sorted(found, key=lambda row: row.get(ROW, 0))


def ids(*refs: DatasetRef | None) -> list[int]:
    return [row[ROW] for row in rows(*refs)]


def columns(outcome: Outcome) -> list[str]:
    assert outcome.output is not None
    return list(outcome.output.columns)


class Shop:
    """The retail pipeline, its sources inspected, and what its tasks need to be performed one by one."""

    def __init__(self, spec: PipelineSpec, surroundings: Surroundings, folder: Path) -> None:
        self.spec = spec
        self.surroundings = surroundings
        self.folder = folder
        self.parts: dict[str, list[Part]] = {
            name: reader(name, source, surroundings).inspect().parts for name, source in spec.sources.items()
        }
        self.stop = Stop()
        self._attempts = 0

    def perform(
        self,
        stage: Stage,
        dataset: str,
        *inputs: Outcome,
        context: dict[str, Outcome] | None = None,
        shard: int = 0,
        shards: int = 1,
        repair: bool = False,
        aligned: bool = False,
    ) -> Outcome:
        """What the stage's agent makes of a task, checked to balance and to lie where it should."""
        self._attempts += 1
        path = self.folder / f"attempt-{self._attempts}"
        path.mkdir(parents=True)
        task = Task(stage=stage, dataset=dataset, shard=shard, shards=shards, repair=repair, aligned=aligned)
        agent = next(agent for agent in AGENTS.values() if stage in agent.stages)
        work = Work(
            spec=self.spec,
            surroundings=self.surroundings,
            parts=self.parts[dataset],
            inputs=[outcome.output for outcome in inputs if outcome.output],
            context={name: [outcome.output] for name, outcome in (context or {}).items() if outcome.output},
            path=path,
            limits=Limits(),
            stop=self.stop,
            began=datetime(2026, 1, 1, tzinfo=UTC),
        )
        outcome = agent.perform(task, work)
        check_account(outcome)
        assert (outcome.task, outcome.agent, outcome.status) == (task.key, agent.id, "done")
        written = [outcome.output, outcome.left, outcome.repairs, *outcome.used.values()]
        assert all(Path(file).is_relative_to(path) for ref in written if ref for file in ref.paths)
        return outcome

    def shards(self, n: int, stage: Stage, dataset: str, *inputs: Outcome, **options: Any) -> list[Outcome]:
        return [self.perform(stage, dataset, *inputs, shard=i, shards=n, **options) for i in range(n)]


@pytest.fixture
def shop(database: Database, database_url: str, tmp_path: Path) -> Shop:
    document = retail.copy(tmp_path / "retail", database)
    surroundings = Surroundings(base_dir=str(document.parent), database_url=database_url)
    return Shop(load(document), surroundings, tmp_path / "run")


def with_checks(shop: Shop, dataset: str, *leave_out: str) -> Shop:
    """The same pipeline without some kinds of checks."""
    checks = tuple(check for check in shop.spec.validation[dataset] if check.check not in leave_out)
    spec = shop.spec.model_copy(update={"validation": {**shop.spec.validation, dataset: checks}})
    return Shop(spec, shop.surroundings, shop.folder / "other")


def test_the_five_stages_lose_no_row_of_the_retail_example(shop: Shop) -> None:
    """At each stage, the ids that go in are those that come out or are on file as having left, each once."""
    read = {dataset: shop.perform(Stage.INGESTION, dataset) for dataset in DATASETS}
    data = shop.folder.parent / "retail" / "data"
    headers = {"customers": 1, "orders": 12, "products": 0}
    for name, outcome in read.items():
        files = [file for file in data.rglob("*") if file.is_file() and str(file.relative_to(data)).startswith(name)]
        lines = sum(len(file.read_bytes().splitlines()) for file in files)
        assert outcome.rows.rows_in == lines - headers[name]
    fit = {dataset: shop.perform(Stage.VALIDATION, dataset, read[dataset], repair=True) for dataset in DATASETS}
    transformed = shop.perform(Stage.TRANSFORMATION, "orders", fit["orders"])
    context = {name: fit[name] for name in ("products", "customers")}
    enriched = shop.perform(Stage.ENRICHMENT, "orders", transformed, context=context)
    grouped = shop.perform(Stage.AGGREGATION, "orders", enriched)

    steps = [*((read[name], fit[name]) for name in DATASETS), (fit["orders"], transformed), (transformed, enriched)]
    for before, after in steps:
        together = sorted([*ids(after.output), *ids(after.left)])
        assert together == ids(before.output)
        assert len(together) == len(set(together)) == after.rows.rows_in
    assert grouped.rows.rows_in == enriched.rows.rows_out == sum(row[ROWS] for row in rows(grouped.output))
    assert grouped.groups == len(rows(grouped.output)) > 0
    # Units and revenue are those of the rows behind them.
    assert sum(row["units"] for row in rows(grouped.output)) == sum(row["quantity"] for row in rows(enriched.output))
    assert sum(row["revenue"] for row in rows(grouped.output)) == sum(row["revenue"] for row in rows(enriched.output))
    # What was found there is what is on file as used.
    for name in context:
        assert set(ids(enriched.used[name])) <= set(ids(fit[name].output))
    keys = {row[ROW]: row["product_id"] for row in rows(fit["products"].output)}
    got_through = set(ids(enriched.output))
    assert {keys[row] for row in ids(enriched.used["products"])} == {
        row["product_id"] for row in rows(transformed.output) if row[ROW] in got_through
    }


def test_stages_write_only_the_columns_that_later_ones_need(shop: Shop) -> None:
    read = shop.perform(Stage.INGESTION, "orders")
    fit = shop.perform(Stage.VALIDATION, "orders", read, repair=True)
    transformed = shop.perform(Stage.TRANSFORMATION, "orders", fit)
    declared = list(shop.spec.sources["orders"].columns)
    assert columns(read) == declared
    assert columns(fit) == needed_after(shop.spec, Stage.VALIDATION, "orders", declared)
    assert columns(transformed) == needed_after(
        shop.spec, Stage.TRANSFORMATION, "orders", [*columns(fit), "month", "revenue"]
    )
    # No rule and no aggregate mentions these.
    assert not {"note", "channel"} & set(columns(fit))


def test_violations_and_faults_of_a_validation_count_what_left(shop: Shop) -> None:
    """Every row that left was caught by a check that is reported, and weighs in its dimension."""
    read = shop.perform(Stage.INGESTION, "orders")
    for repair in (False, True):
        fit = shop.perform(Stage.VALIDATION, "orders", read, repair=repair)
        reported = {violation.check: violation.rows for violation in fit.violations}
        for leaving, n in fit.leaving.items():
            fate, _, rule = leaving.partition(":")
            if fate == "quarantined":
                assert reported[rule] >= n
        assert set(fit.faults) == set(Dimension)
        assert max(fit.faults.values()) <= fit.rows.quarantined <= sum(fit.faults.values())
        assert all(violation.handled == repair for violation in fit.violations)
        assert (fit.repairs is not None) == repair
    assert fit.rows.merged > 0


def test_an_ingestion_tells_lines_that_are_no_records_as_a_violation(shop: Shop) -> None:
    torn = shop.perform(Stage.INGESTION, "orders")
    assert torn.rows.quarantined > 0
    assert torn.leaving == {"quarantined:readable": torn.rows.quarantined}
    assert torn.faults == {Dimension.CONSISTENCY: torn.rows.quarantined}
    assert [(violation.check, violation.rows) for violation in torn.violations] == [("readable", torn.rows.quarantined)]
    whole = shop.perform(Stage.INGESTION, "customers")
    assert (whole.left, whole.leaving, whole.violations) == (None, {}, [])


@pytest.mark.parametrize("n", [2, 5])
def test_sharded_stages_come_to_the_same_rows_as_unsharded_ones(shop: Shop, n: int) -> None:
    """Ingestion is sharded by files, the others by row ids. A check of keys needs the whole, and is left out here."""
    shop = with_checks(shop, "orders", "unique")
    whole, parts = shop.perform(Stage.INGESTION, "orders"), shop.shards(n, Stage.INGESTION, "orders")
    same(whole, parts)
    fit, fits = (
        shop.perform(Stage.VALIDATION, "orders", whole, repair=False),
        shop.shards(n, Stage.VALIDATION, "orders", *parts, repair=False),
    )
    same(fit, fits)
    transformed = shop.perform(Stage.TRANSFORMATION, "orders", fit)
    sharded = shop.shards(n, Stage.TRANSFORMATION, "orders", *fits)
    same(transformed, sharded)
    context = {
        name: shop.perform(Stage.VALIDATION, name, shop.perform(Stage.INGESTION, name), repair=True)
        for name in ("products", "customers")
    }
    enriched = shop.perform(Stage.ENRICHMENT, "orders", transformed, context=context)
    shards = shop.shards(n, Stage.ENRICHMENT, "orders", *sharded, context=context)
    same(enriched, shards)
    continued = [
        shop.perform(Stage.ENRICHMENT, "orders", one, context=context, shard=i, shards=n, aligned=True)
        for i, one in enumerate(sharded)
    ]
    same(enriched, continued)
    for name in context:
        assert set(ids(*(outcome.used[name] for outcome in shards))) == set(ids(enriched.used[name]))
    grouped, once_more = (
        shop.perform(Stage.AGGREGATION, "orders", enriched),
        shop.perform(Stage.AGGREGATION, "orders", *shards),
    )
    assert rows(grouped.output) == rows(once_more.output)


def same(whole: Outcome, parts: list[Outcome]) -> None:
    """The parts together are the whole: rows, departures, and every count."""
    assert rows(*(part.output for part in parts)) == rows(whole.output)
    assert rows(*(part.left for part in parts)) == rows(whole.left)
    for count in ("rows_in", "rows_out", "quarantined", "merged", "filtered"):
        assert sum(getattr(part.rows, count) for part in parts) == getattr(whole.rows, count)
    leaving: dict[str, int] = {}
    for part in parts:
        for rule, n in part.leaving.items():
            leaving[rule] = leaving.get(rule, 0) + n
    assert leaving == whole.leaving
    for dimension, n in whole.faults.items():
        assert sum(part.faults.get(dimension, 0) for part in parts) == n
    assert all(ids(part.output) for part in parts)


def test_the_same_task_performed_twice_writes_the_same_bytes(shop: Shop) -> None:
    """As after a crash, when it is performed again."""
    read = shop.perform(Stage.INGESTION, "orders")
    first, second = (shop.perform(Stage.VALIDATION, "orders", read, repair=True) for _ in range(2))
    for name in ("output", "left", "repairs"):
        files = [Path(getattr(outcome, name).paths[0]).read_bytes() for outcome in (first, second)]
        assert files[0] == files[1], name
    dumps = [outcome.model_dump(exclude={"output", "left", "repairs"}) for outcome in (first, second)]
    assert dumps[0] == dumps[1]


def test_a_rule_that_does_not_fit_comes_out_of_the_agent_as_it_is(shop: Shop) -> None:
    """With the dataset and the rule; what to do about it is for whoever gave the task."""
    products = shop.perform(Stage.INGESTION, "products")
    read = shop.perform(Stage.INGESTION, "orders")
    with pytest.raises(RuleError, match="Dataset 'orders', rule 0"):
        shop.perform(Stage.ENRICHMENT, "orders", read, context={"products": products, "customers": products})


def test_a_requested_stop_keeps_an_agent_from_beginning(shop: Shop) -> None:
    shop.stop.request("the test wants it")
    with pytest.raises(Interrupted, match="the test wants it"):
        shop.perform(Stage.INGESTION, "products")


def test_every_stage_has_an_agent_and_each_agent_goes_by_its_id() -> None:
    assert {stage for agent in AGENTS.values() for stage in agent.stages} == set(Stage)
    assert all(agent.id == name for name, agent in AGENTS.items())
