"""A crew of CrewAI does stages: it judges what rules alone send to quarantine, and the same gates judge it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import journal
from core.dataset import DatasetRef
from core.errors import BudgetSpent, InputError, Interrupted, SpecError
from core.ledger import check_account
from core.llm import Llm
from core.settings import Settings, settings
from core.spec import PipelineSpec, loads
from core.spec.crew import CrewBudget
from core.stop import Stop
from core.store import Database
from core.task import Outcome, Stage, Task
from crews import AGENTS, Work
from crews.data_team import Budget, CrewedAgent
from crews.data_team.correction import Corrections, notation_free
from flows import DataPipelineFlow
from flows.audit import audit
from tests.model import ScriptedModel, refusing_url
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.sources import Surroundings, reader

ORDERS = """id,size,amount,product
o-1,S,10.00,p1
o-2,large,20.00,p2
o-3,M,30 euros,p1
o-4,huge,forty,p2
o-5,L,50.00,P 01
o-6,S,60.00,p9
"""

SPEC = """
name: sizes
sources:
  orders: {kind: csv, path: orders.csv, columns: {id: string, size: string, amount: string, product: string}}
  products: {kind: csv, path: products.csv, columns: {code: string, category: string}}
validation:
  orders: [{check: unique, columns: [id]}, {check: in_set, column: size, values: [S, M, L]}]
transformation:
  orders: [{rule: cast, columns: {amount: "decimal(10,2)"}}]
enrichment:
  orders: [{rule: join, dataset: products, on: {product: code}, columns: [category]}]
target: {path: out}
gate: {publish: 0.1, enhance: 0.1, thresholds: {}}
executor: {validation: crew, transformation: crew, enrichment: crew}
"""


class Bench:
    """The pipeline's tasks performed one by one, by crewed agents, on a run that is on record."""

    def __init__(self, folder: Path, database: Database, run_id: str, spec: str = SPEC) -> None:
        (folder / "orders.csv").write_text(ORDERS)
        (folder / "products.csv").write_text("code,category\np1,toys\np2,food\n")
        self.spec: PipelineSpec = loads(spec)
        self.surroundings = Surroundings(base_dir=str(folder), database_url=database.url)
        self.folder = folder
        self.database = database
        self.run_id = run_id
        self.llm: Llm | None = None
        self.stop = Stop()
        self.budget = self.new_budget()
        self._attempts = 0
        self.raw = self.perform(Stage.INGESTION, "orders")

    def new_budget(self) -> Budget:
        """The budget as a process that takes the run up finds it."""
        return Budget(self.spec.crew, self.database, self.run_id, self.tell)

    def tell(self, kind: str, *, actor: str = "", step: str | None = None, **data: Any) -> None:
        event = journal.Event(run_id=self.run_id, kind=kind, actor=actor, step=step, data=data)
        self.database.transaction(lambda connection: journal.write(connection, event))

    def told(self, kind: str = "crew.") -> list[journal.Event]:
        return journal.events(self.database, self.run_id, kind=kind)

    def perform(self, stage: Stage, dataset: str, *inputs: Outcome, crew: bool = True, **context: Outcome) -> Outcome:
        """What comes of a task, checked to balance."""
        self._attempts += 1
        path = self.folder / "run" / str(self._attempts)
        path.mkdir(parents=True)
        rules = next(agent for agent in AGENTS.values() if stage in agent.stages)
        agent = CrewedAgent(rules, self.llm, self.budget, "stage_coordinator") if crew else rules
        source = self.spec.sources[dataset]
        work = Work(
            spec=self.spec,
            surroundings=self.surroundings,
            parts=reader(dataset, source, self.surroundings).inspect().parts,
            inputs=[outcome.output for outcome in inputs if outcome.output],
            context={name: [outcome.output] for name, outcome in context.items() if outcome.output},
            path=path,
            limits=Limits(),
            stop=self.stop,
            began=datetime(2026, 1, 1, tzinfo=UTC),
        )
        outcome = agent.perform(Task(stage=stage, dataset=dataset), work)
        check_account(outcome)
        return outcome

    def validated(self) -> Outcome:
        return self.perform(Stage.VALIDATION, "orders", self.raw)


def rows(ref: DatasetRef | None) -> list[dict[str, Any]]:
    assert ref is not None
    found = [row for path in ref.paths for row in pq.ParquetFile(path).read().to_pylist()]
    gone = {row[ROW] for path in ref.without for row in pq.ParquetFile(path).read().to_pylist()}
    return sorted((row for row in found if row[ROW] not in gone), key=lambda row: row[ROW])


@pytest.fixture
def bench(tmp_path: Path, database: Database, run_id: str, model: ScriptedModel) -> Bench:
    bench = Bench(tmp_path, database, run_id)
    bench.llm = Llm("scripted", "none", model.url)
    return bench


@pytest.fixture
def by_rules(bench: Bench) -> Outcome:
    """What the rules make of the validation alone."""
    return bench.perform(Stage.VALIDATION, "orders", bench.raw, crew=False)


def same(outcome: Outcome, by_rules: Outcome) -> bool:
    """Whether the rules did the stage, to the row."""
    return (outcome.rows, outcome.agent, outcome.repairs, outcome.leaving) == (
        by_rules.rows,
        by_rules.agent,
        by_rules.repairs,
        by_rules.leaving,
    )


def test_a_crew_corrects_what_is_meant_and_leaves_the_rest(bench: Bench, model: ScriptedModel) -> None:
    model.calls("data_quality", path="waiting.parquet", checks=[{"check": "not_null", "column": "size"}])
    model.says("large is L; huge cannot be told.")
    model.calls("correct_cells", column="size", values=[{"name": "large", "value": "L"}]).says("Corrected large.")
    outcome = bench.validated()
    assert (outcome.rows.rows_out, outcome.rows.quarantined, outcome.agent) == (5, 1, "data_team")
    assert [row["size"] for row in rows(outcome.output)] == ["S", "L", "M", "L", "S"]
    (repair,) = rows(outcome.repairs)
    assert {k: repair[k] for k in ("column", "before", "after", "rule", "confidence")} == {
        "column": "size",
        "before": "large",
        "after": "L",
        "rule": "crew",
        "confidence": None,
    }
    answer = model.answers[-1]
    assert (answer["rows"], answer["passing"], answer["refused"]) == (2, 1, {})
    assert list(answer["reasons"].values()) == [1]
    (answered,) = bench.told("crew.answered")
    assert (answered.data["cells"], answered.data["saved"], answered.step) == (1, 1, "validation/orders/0")
    assert "of 2 rows, 1 pass now" in outcome.notes[-1]


def test_the_policy_hands_each_member_its_part_and_no_more_rights_than_the_task_needs(
    bench: Bench, model: ScriptedModel
) -> None:
    model.calls("data_quality", path="../../../orders.csv", checks=[{"check": "not_null", "column": "id"}])
    model.says("No.").says("Nothing.")
    bench.validated()
    assert model.requests[1]["messages"][-1]["content"].startswith('{"error": {"kind": "Refused"')
    handed = {e.data["delegate"]: e.data for e in bench.told("delegation.allowed")}
    assert handed.keys() == {"data_analyst", "data_steward"}
    assert [handed[name]["task_type"] for name in sorted(handed)] == ["data_profiling", "data_validation"]
    assert all(of["rights"]["roots"][0].endswith("crew/waiting") for of in handed.values())


def test_a_crew_sees_no_data_above_its_clearance(
    tmp_path: Path, database: Database, run_id: str, model: ScriptedModel
) -> None:
    bench = Bench(tmp_path, database, run_id, SPEC + "governance: {classification: confidential}\n")
    bench.llm = Llm("scripted", "none", model.url)
    outcome = bench.validated()
    assert not model.requests
    assert "without a crew" in outcome.notes[-1]
    assert "confidential" in outcome.notes[-1]


@pytest.mark.parametrize(
    ("column", "before", "after", "why"),
    [
        ("size", "S", "L", "no row that waits"),
        ("size", "huge", " ", "not a blank one"),
        ("size", "huge", "huge", "another text"),
        ("size", "huge", "L\x00", "printable"),
        ("size", "huge", "L" * 1_001, "no more than 1000"),
        ("id", "o-2", "o-7", "never become another one"),
        ("_row", "1", "2", "not open to correction; open are: id, size"),
    ],
)
def test_what_nobody_may_say_is_refused(column: str, before: str, after: str, why: str) -> None:
    corrections = Corrections({"size": {"huge"}, "id": {"o-2"}}, {"id"})
    assert why in corrections.propose(column, {before: after})[before]
    assert not any(corrections.made.values())


def test_a_correction_that_no_row_needs_is_not_made(bench: Bench, model: ScriptedModel) -> None:
    """The steward also embellishes amounts of the rows that wait, which validation does not ask for."""
    model.says("Try.").calls("correct_cells", column="size", values=[{"name": "large", "value": "L"}])
    model.calls("correct_cells", column="amount", values=[{"name": "20.00", "value": "2000.00"}]).says("Done.")
    outcome = bench.validated()
    assert [repair["column"] for repair in rows(outcome.repairs)] == ["size"]


def test_a_correction_that_would_harm_other_rows_is_not_taken(bench: Bench, model: ScriptedModel) -> None:
    """Written as the others are, the key of the row that waits is that of a row that passes."""
    (bench.folder / "orders.csv").write_text("id,size,amount,product\no-1,S,1,p1\nO 1,M,2,p2\n")
    pattern = "[{check: unique, columns: [id]}, {check: matches, column: id, pattern: 'o-[0-9]'}]"
    bench.spec = loads(
        SPEC.replace("[{check: unique, columns: [id]}, {check: in_set, column: size, values: [S, M, L]}]", pattern)
    )
    bench.raw = bench.perform(Stage.INGESTION, "orders")
    by_rules = bench.perform(Stage.VALIDATION, "orders", bench.raw, crew=False)
    model.says("Try.").calls("correct_cells", column="id", values=[{"name": "O 1", "value": "o-1"}]).says("Done.")
    assert same(bench.validated(), by_rules)
    assert model.answers[-1]["passing"] == 1
    assert "rows that need no correction" in bench.told("crew.refused")[0].data["reason"]


def test_a_correction_that_the_rules_cannot_work_with_is_told_and_not_kept(bench: Bench, model: ScriptedModel) -> None:
    rules = '[{rule: cast, columns: {amount: integer}}, {rule: derive, columns: {area: "amount * amount"}}]'
    (bench.folder / "orders.csv").write_text("id,size,amount,product\no-1,S,1,p1\no-2,M,much,p2\n")
    bench.spec = loads(SPEC.replace('[{rule: cast, columns: {amount: "decimal(10,2)"}}]', rules))
    bench.raw = bench.perform(Stage.INGESTION, "orders")
    valid = bench.perform(Stage.VALIDATION, "orders", bench.raw, crew=False)
    model.says("Try.").calls("correct_cells", column="amount", values=[{"name": "much", "value": "9" * 18}])
    model.calls("correct_cells", column="amount", values=[{"name": "much", "value": "7"}]).says("Done.")
    outcome = bench.perform(Stage.TRANSFORMATION, "orders", valid)
    assert model.answers[0]["error"]["kind"] in ("DataError", "RuleError", "EngineError")
    assert [repair["after"] for repair in rows(outcome.repairs)] == ["7"]


def test_a_crew_rescues_rows_of_rules_and_joins_but_makes_no_key_another(bench: Bench, model: ScriptedModel) -> None:
    valid = bench.perform(Stage.VALIDATION, "orders", bench.raw, crew=False)
    model.says("Euros.").calls("correct_cells", column="amount", values=[{"name": "30 euros", "value": "30.00"}])
    model.says("Done.")
    changed = bench.perform(Stage.TRANSFORMATION, "orders", valid)
    assert (changed.rows.rows_in, changed.rows.rows_out, changed.agent) == (4, 4, "data_team")
    model.says("Notation.").calls(
        "correct_cells",
        column="product",
        values=[{"name": "P 01", "value": "p1"}, {"name": "p9", "value": "p2"}],
    ).says("Done.")
    products = bench.perform(Stage.INGESTION, "products")
    joined = bench.perform(Stage.ENRICHMENT, "orders", changed, products=products)
    assert (joined.rows.rows_out, joined.rows.quarantined) == (3, 1)
    assert list(model.answers[-1]["refused"]) == ["p9"]


def nonsense(model: ScriptedModel) -> None:
    model.says("Bananas.").repeats()


def empty(model: ScriptedModel) -> None:
    model.says("").repeats()


def looping(model: ScriptedModel) -> None:
    model.calls_unknown("data_quality", path="waiting.parquet", checks=[]).repeats()


def inventing_tools(model: ScriptedModel) -> None:
    model.calls_unknown("delete_table", table="orders").repeats()


def hostile(model: ScriptedModel) -> None:
    model.calls_amiss("data_quality", {"path": "/etc/passwd", "checks": "'; DROP TABLE runs; --", "exec": "rm -rf /"})
    model.says("Then this.").calls_amiss("correct_cells", {"column": {"$where": "1"}, "values": [1, None]})
    model.calls_amiss("correct_cells", "{broken").says("I give up.")


def arguments_of_another_form(model: ScriptedModel) -> None:
    model.calls_amiss("data_quality", [1, 2])


def failing(model: ScriptedModel) -> None:
    model.fails(500).repeats()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (nonsense, "crew.answered"),
        (empty, "crew.failed"),
        (looping, "crew.spent"),
        (inventing_tools, "crew.failed"),
        (hostile, "crew.answered"),
        (arguments_of_another_form, "crew.failed"),
        (failing, "crew.failed"),
    ],
)
def test_a_model_that_is_no_use_leaves_the_stage_to_the_rules_which_say_so(
    bench: Bench, model: ScriptedModel, by_rules: Outcome, script: Any, kind: str
) -> None:
    bench.budget.limits = bench.budget.limits.model_copy(update={"tool_calls": 3})
    script(model)
    outcome = bench.validated()
    assert same(outcome, by_rules)
    assert "the rules did the stage validation without a crew" in outcome.notes[-1]
    assert [event.kind for event in bench.told() if "reason" in event.data] == [kind]


def test_a_model_that_is_down_leaves_the_stage_to_the_rules(bench: Bench, by_rules: Outcome) -> None:
    bench.llm = Llm("scripted", "none", refusing_url())
    outcome = bench.validated()
    assert same(outcome, by_rules)
    assert "onnect" in bench.told("crew.failed")[0].data["reason"]


def test_without_a_model_the_rules_do_the_stage_and_say_so(bench: Bench, by_rules: Outcome) -> None:
    bench.llm = None
    outcome = bench.validated()
    assert same(outcome, by_rules)
    assert "no model is configured (CREWLINE_LLM_MODEL)" in outcome.notes[-1]
    assert [event.kind for event in bench.told()] == ["crew.absent"]


def test_a_slow_model_is_not_waited_for_beyond_the_run_s_time(
    bench: Bench, model: ScriptedModel, by_rules: Outcome
) -> None:
    bench.budget.limits = bench.budget.limits.model_copy(update={"seconds": 0.5})
    model.latency_s = 30
    model.says("At last.").repeats()
    assert same(bench.validated(), by_rules)
    assert "0.5 seconds" in bench.told("crew.spent")[0].data["reason"]


def test_a_stop_that_is_requested_is_not_kept_waiting_by_a_crew(bench: Bench, model: ScriptedModel) -> None:
    model.latency_s = 30
    model.says("At last.").repeats()
    tell = bench.budget.tell

    def stopping(kind: str, **told: Any) -> None:
        tell(kind, **told)
        if kind == "crew.started":
            bench.stop.request("the test wants it")

    bench.budget.tell = stopping
    with pytest.raises(Interrupted, match="the test wants it"):
        bench.validated()


def test_tokens_count_across_tasks_and_resumes(bench: Bench, model: ScriptedModel, by_rules: Outcome) -> None:
    model.tokens = 99_900
    model.says("So much to say.")
    assert same(bench.validated(), by_rules)
    # The steward's first question would go beyond what is left; and so would any of another process.
    bench.budget = bench.new_budget()
    assert bench.budget.used["tokens"] == 99_900
    bench.validated()
    assert len(model.requests) == 1
    assert len(bench.told("crew.spent")) == 2


def test_tool_calls_count_across_resumes(bench: Bench, model: ScriptedModel, by_rules: Outcome) -> None:
    bench.spec = bench.spec.model_copy(update={"crew": bench.spec.crew.model_copy(update={"tool_calls": 1})})
    bench.budget = bench.new_budget()
    model.says("Try.").calls("correct_cells", column="size", values=[{"name": "huge", "value": "L"}]).says("Done.")
    assert bench.validated().agent == "data_team"
    bench.budget = bench.new_budget()
    model.says("Try.").calls("correct_cells", column="size", values=[{"name": "large", "value": "L"}])
    assert same(bench.validated(), by_rules)
    (called,) = bench.told("crew.called")
    assert (called.actor, called.data["tool"]) == ("data_steward", "correct_cells")


class Told:
    """A journal in memory: what a budget tells, and what the next one reads of it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def tell(self, kind: str, *, actor: str = "", step: str | None = None, **data: Any) -> None:
        self.events.append((kind, data))

    def query(self, *_: Any) -> list[dict[str, Any]]:
        tokens = sum(data.get("tokens", 0) for _, data in self.events)
        seconds = sum(data["seconds"] for _, data in self.events)
        return [{"tokens": tokens, "seconds": seconds, "tool_calls": sum(k == "crew.called" for k, _ in self.events)}]


ASKED = st.tuples(st.just("ask"), st.integers(1, 60), st.integers(0, 80))


@given(st.lists(ASKED | st.just(("call", 0, 0)) | st.just(("restart", 0, 0)), max_size=12))
def test_a_budget_begins_nothing_beyond_its_limits_in_any_process(does: list[tuple[str, int, int]]) -> None:
    """The model of it: plain sums. What an answer takes is known when it is there; it can be the last one."""
    told, limits = Told(), CrewBudget(tokens=100, tool_calls=3)
    budget = Budget(limits, told, "r", told.tell)  # type: ignore[arg-type]
    tokens = calls = 0
    for what, asked, answered in does:
        allowed = tokens + asked <= 100 if what == "ask" else calls < 3
        try:
            if what == "ask":
                with budget.asking("m", "t", asked) as answer:
                    answer.tokens = answered
                tokens += answered or asked
            elif what == "call":
                with budget.calling("m", "t", "tool"):
                    calls += 1
            else:
                budget = Budget(limits, told, "r", told.tell)  # type: ignore[arg-type]
                continue
        except BudgetSpent:
            assert not allowed
        else:
            assert allowed
        assert (budget.used["tokens"], budget.used["tool_calls"]) == (tokens, calls)


def test_what_is_under_way_counts_for_those_who_ask_beside_it() -> None:
    told = Told()
    budget = Budget(CrewBudget(tokens=100), told, "r", told.tell)  # type: ignore[arg-type]
    with budget.asking("m", "a", 60):
        with pytest.raises(BudgetSpent, match="100 tokens"), budget.asking("m", "b", 60):
            pass
        with budget.asking("m", "b", 40):
            pass


TEXTS = st.text(alphabet="aä-1 0A", max_size=4)


@given(st.lists(TEXTS, max_size=8), st.dictionaries(TEXTS, TEXTS, max_size=5))
def test_only_cells_with_the_very_text_are_corrected_each_with_what_was_taken(
    texts: list[str], proposed: dict[str, str]
) -> None:
    corrections = Corrections({"a": set(texts)}, set())
    refused = corrections.propose("a", proposed)
    cells = corrections.cells(
        pa.table({ROW: pa.array(range(len(texts)), pa.int64()), "a": pa.array(texts, pa.string())})
    )
    expected = [
        {ROW: row, "column": "a", "before": text, "after": proposed[text]}
        for row, text in enumerate(texts)
        if text in proposed and text not in refused
    ]
    assert cells.to_pylist() == expected
    assert all(cell["after"].strip() and cell["after"] != cell["before"] for cell in expected)


@given(st.lists(st.sampled_from(["a", "B", "12", "7"]), min_size=1, max_size=4), st.sampled_from(["-", " ", "_", "/"]))
def test_what_stands_between_the_parts_of_a_key_and_letter_case_and_zeros_do_not_matter(
    parts: list[str], between: str
) -> None:
    written = between.join(part.upper() if part.isalpha() else f"00{part}" for part in parts)
    assert notation_free(written) == notation_free("-".join(parts))
    assert notation_free("-".join([*parts, "x"])) != notation_free(written)


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [("P 01", "p1", True), ("p1", "p10", False), ("1-23", "12-3", False), ("ÄB-7", "äb7", True), ("p9", "p2", False)],
)
def test_a_key_stays_the_same_when_only_its_notation_changes(before: str, after: str, alike: bool) -> None:
    assert (notation_free(before) == notation_free(after)) is alike


@pytest.mark.parametrize(
    ("executor", "problem"),
    [
        ("{ingestion: crew}", "executor.ingestion: rules leave nothing there to judge"),
        ("{aggregation: crew}", "executor.aggregation: rules leave nothing there to judge"),
        ("{validation: wizard}", "executor.validation"),
        ("{cooking: crew}", "executor"),
    ],
)
def test_an_executor_that_cannot_be_is_told_with_its_place(executor: str, problem: str) -> None:
    text = SPEC.replace("{validation: crew, transformation: crew, enrichment: crew}", executor)
    with pytest.raises(SpecError, match=problem):
        loads(text)


def test_a_run_with_a_crew_is_audited_like_any_other(
    tmp_path: Path, database: Database, configuration: Settings, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bench(tmp_path, database, "none")
    monkeypatch.setenv("CREWLINE_LLM_MODEL", "scripted")
    monkeypatch.setenv("OPENAI_BASE_URL", model.url)
    settings.cache_clear()
    spec = loads(SPEC.replace("{validation: crew, transformation: crew, enrichment: crew}", "{validation: crew}"))
    model.says("large is L.").calls("correct_cells", column="size", values=[{"name": "large", "value": "L"}])
    model.says("Done.")
    report = DataPipelineFlow(spec, base_dir=tmp_path, database=database).kickoff()
    found = audit(database, report.run_id, configuration)
    assert (report.status, found.balanced) == ("published", True)
    (repair,) = pq.read_table(found.repairs[0]).to_pylist()
    assert (repair["file"][-10:], repair["record"], repair["rule"]) == ("orders.csv", 2, "crew")
    told = journal.events(database, report.run_id, kind="crew.")
    events = [event.kind for event in told if event.step == "validation/orders/0"]
    assert events[0] == "crew.started"
    assert events[-1] == "crew.answered"


def test_a_model_without_a_server_is_told_before_work_begins(
    tmp_path: Path, database: Database, configuration: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bench(tmp_path, database, "none")
    monkeypatch.setenv("CREWLINE_LLM_MODEL", "scripted")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    settings.cache_clear()
    with pytest.raises(InputError, match="nobody to ask"):
        DataPipelineFlow(loads(SPEC), base_dir=tmp_path, database=database).kickoff()
