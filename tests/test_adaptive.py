"""AdaptiveWorkflow: agents that are specified and spawned for the tasks at hand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import journal
from core.errors import InputError
from core.store import Database
from core.task import Outcome
from crews.dynamic import (
    TEMPLATES,
    AgentSpec,
    Requirement,
    Resources,
    Template,
    TemplateSpecifier,
    creations,
    record_of,
)
from crews.dynamic.parameters import parameters_of
from graphs import AdaptiveWorkflow, Attempt, Branch, FunctionWorker, Options, Result, default_maker, run
from graphs.adaptive.makers import coordination
from graphs.adaptive.specialists import research, synthesis
from tools.context import ToolContext

KINDS = sorted(kind for template in TEMPLATES.values() for kind in template.capabilities)


def branch(key: str, kind: str, *needs: str, **payload: Any) -> Branch:
    return Branch(key=key, kind=kind, needs=needs, payload=payload)


def adaptive(made: list[AgentSpec], **options: Any) -> AdaptiveWorkflow:
    """Its agents say who they are, and what they were told."""

    def make(spec: AgentSpec) -> FunctionWorker:
        made.append(spec)

        async def perform(of: Branch, attempt: Attempt) -> Result:
            return Result({"by": spec.id, "quality": spec.parameters["quality"]})

        return FunctionWorker(spec.id, frozenset(spec.kinds), perform, spec.concurrent_tasks)

    return AdaptiveWorkflow(TemplateSpecifier(), make, options=Options(**options))


@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=30))
def test_the_agents_can_do_all_that_is_asked_and_nothing_else(kinds: list[str]) -> None:
    """A coordinator comes with more than two kinds, and only then; no template has more agents than tasks."""
    specs = TemplateSpecifier().specify(kinds)
    served = {kind for spec in specs for kind in spec.kinds}
    extra = {"coordination"} if len(set(kinds)) > 2 else set()
    assert served == set(kinds) | extra
    assert len({spec.id for spec in specs}) == len(specs)
    for spec in specs:
        assert (spec.concurrent_tasks, spec.timeout_s, spec.retries, spec.quality) == (3, 300, 3, 0.8)
        assert sum(s.template == spec.template for s in specs) <= max(1, sum(kind in spec.kinds for kind in kinds))
        assert json.loads(spec.model_dump_json()) == spec.model_dump(mode="json")
    assert specs == TemplateSpecifier().specify(sorted(kinds))


def test_the_template_with_the_better_record_is_chosen() -> None:
    """0.4 match + 0.4 success + 0.2 efficiency: a good record outweighs a little more of the machine."""
    twins = {name: Template(name=name, capabilities=frozenset({"analysis"})) for name in ("first", "second")}
    assert TemplateSpecifier(twins).specify(["analysis"])[0].template == "first"
    record = {"first": 0.2, "second": 0.9}
    spec = TemplateSpecifier(twins, record).specify(["analysis"])[0]
    assert spec.template == "second"
    assert "90% of its attempts done" in spec.reason


def test_a_kind_that_no_template_knows_is_refused_with_those_that_they_know(database: Database) -> None:
    with pytest.raises(InputError, match="No template of an agent performs cooking; there are: analysis"):
        run(adaptive([]), [branch("a", "cooking")], database=database)
    assert not database.query("SELECT 1 FROM runs")


def test_agents_are_spawned_from_specifications_that_the_state_holds(database: Database) -> None:
    """Each branch is done by an agent of its kind, the coordinator's last; the journal tells why each was made."""
    made: list[AgentSpec] = []
    branches = [
        *(branch(f"a{i}", "analysis") for i in range(4)),
        branch("r", "research.technical"),
        branch("s", "synthesis", "r"),
    ]
    report = run(adaptive(made, concurrency=4), branches, database=database)
    assert report.status == "done"
    assert report.state["requirements"] == {"analysis": 4, "research.technical": 1, "synthesis": 1, "coordination": 1}
    assert [agent["id"] for agent in report.state["agents"]] == sorted(spec.id for spec in made)
    assert {o.agent.rpartition("_")[0] for k, o in report.outcomes.items() if k.startswith("a")} == {"analysis"}
    assert report.outcomes["coordination"].agent == "coordination_1"
    told = [e.data for e in journal.events(database, report.run_id, kind="agent.specified")]
    assert {data["id"] for data in told} == {spec.id for spec in made}
    assert "performs analysis" in told[0]["reason"]
    assert record_of(database) == {"analysis": 1.0, "research": 1.0, "synthesis": 1.0, "coordination": 1.0}
    counted = {one.template: (one.agents, one.runs, one.attempts) for one in creations(database)}
    assert counted == {"analysis": (2, 1, 4), "research": (1, 1, 1), "synthesis": (1, 1, 1), "coordination": (1, 1, 1)}


def test_a_synthesis_cites_whom_each_statement_is_from_and_says_what_it_left_out() -> None:
    found = {
        "good": Outcome(task="good", status="done", agent="g", result={"x": 1, "y": "yes"}, quality=1.0),
        "poor": Outcome(task="poor", status="done", agent="p", result={"z": 2}, quality=0.2),
        "failed": Outcome(task="failed", status="failed"),
    }
    done = synthesis(found, parameters_of("synthesis", {"length": 2}))
    assert [(s["name"], s["from"]) for s in done.values["statements"]] == [("x", "good"), ("y", "good")]
    assert done.values["left_out"] == 1
    assert done.values["sources"] == ["good", "poor"]
    assert done.quality == pytest.approx((1.0 * 1.0 + 0.44 * 0.2) / 1.44)


def test_a_synthesis_is_told_how_to_speak() -> None:
    found = {"a": Outcome(task="a", status="done", agent="g", result={"mean_price": 12.3456, "rows": 7}, quality=1.0)}
    told = {"style": "text", "audience": "managers", "citations": False}
    values = synthesis(found, parameters_of("synthesis", told)).values
    assert values["statements"] == [{"name": "mean_price", "value": 12.3}, {"name": "rows", "value": 7}]
    assert values["text"] == "Mean price is 12.3. Rows is 7."


def test_research_looks_at_more_sources_while_what_it_finds_is_worth_too_little() -> None:
    """As long as there are more, and as often as it may; and it says where sources declare what their rows are not."""
    asked: list[dict[str, Any]] = []
    lies = {"name": "orders", "primary_key": ["id"], "whole": True, "measured_keys": [["no"]]}

    def perform(of: Branch, attempt: Attempt) -> Result:
        asked.append(of.payload)
        notes = ("3 more datasets were not looked at",) if of.payload["max_datasets"] < 8 else ()
        return Result({"datasets": [lies]}, quality=0.1 * of.payload["max_datasets"], notes=notes)

    told = parameters_of("research", {"sources": 2, "depth": "schema", "iterations": 5})
    done = research(perform, told)(branch("a", "research.technical"), None)  # type: ignore[arg-type]
    assert asked == [{"rows": False, "max_datasets": n} for n in (2, 4, 8)]
    assert isinstance(done, Result)
    assert done.notes == ("orders: id is declared a key, and does not tell its rows apart",)
    asked.clear()
    research(perform, {**told, "iterations": 1})(branch("a", "research.technical", rows=True), None)  # type: ignore[arg-type]
    assert asked == [{"rows": True, "max_datasets": 2}]


def test_parameters_are_those_of_the_type_and_wrong_ones_are_named() -> None:
    specifier = TemplateSpecifier(parameters={"analysis": {"confidence": 0.99, "time_s": 20}})
    (spec,) = specifier.specify(["analysis"])
    assert (spec.parameters["confidence"], spec.timeout_s, spec.parameters["methodology"]) == (0.99, 20, "inferential")
    with pytest.raises(InputError, match=r"parameters of analysis are wrong: confidance: unknown argument"):
        TemplateSpecifier(parameters={"analysis": {"confidance": 0.99}})
    with pytest.raises(InputError, match="There is no template cooking"):
        TemplateSpecifier(parameters={"cooking": {}})


def test_an_agent_gets_what_the_most_demanding_of_its_tasks_requires() -> None:
    required = [
        Requirement(kind="research.market", resources=Resources(cores=0.5, memory_mb=2000), quality=0.9),
        Requirement(kind="research.technical", resources=Resources(cores=2, memory_mb=100), timeout_s=20),
    ]
    specifier = TemplateSpecifier(requirements=required)
    (spec,) = specifier.specify(["research.market", "research.technical"])
    assert (spec.resources, spec.timeout_s, spec.quality) == (Resources(cores=2, memory_mb=2000), 20, 0.9)
    assert (spec.parameters["quality"], spec.parameters["time_s"]) == (0.9, 20)
    (other,) = specifier.specify(["analysis"])
    assert (other.resources, other.timeout_s) == (TEMPLATES["analysis"].resources, 300)
    with pytest.raises(InputError, match="two requirements of one kind"):
        TemplateSpecifier(requirements=[required[0], required[0]])


def test_agents_wait_for_resources_and_never_take_more_than_the_budget(database: Database) -> None:
    """Failing branches too; in the end nothing is held, and the journal tells who waited."""
    held: list[float] = []

    def make(spec: AgentSpec) -> FunctionWorker:
        def perform(of: Branch, attempt: Attempt) -> Result:
            row = database.query("SELECT sum(cores) AS cores, count(*) AS n FROM resource_allocations")[0]
            held.append(row["cores"])
            attempt.stop.wait(0.1)
            if of.key == "a3":
                raise RuntimeError("it fails")
            return Result({})

        return FunctionWorker(spec.id, frozenset(spec.kinds), perform, spec.concurrent_tasks)

    budget = Resources(cores=1, memory_mb=4096)
    options = Options(concurrency=6, attempts=1)
    workflow = AdaptiveWorkflow(TemplateSpecifier(), make, options=options, budget=budget)
    report = run(workflow, [branch(f"a{n}", "analysis") for n in range(6)], database=database)
    assert report.status == "partial"
    assert {o.status for o in report.outcomes.values()} == {"done", "failed"}
    assert held == [1.0] * 6
    assert database.query("SELECT count(*) AS n FROM resource_allocations")[0]["n"] == 0
    waits = journal.events(database, report.run_id, kind="resources.waited")
    assert waits
    assert creations(database)[0].waited_s == pytest.approx(sum(event.data["seconds"] for event in waits))
    assert creations(database)[0].success == pytest.approx(5 / 6)


def test_a_coordination_names_what_is_missing_and_where_branches_disagree() -> None:
    found = {
        "a": Outcome(task="a", status="done", agent="one", result={"rows": 100, "keys": 5}),
        "b": Outcome(task="b", status="done", agent="two", result={"rows": 120, "keys": 5}),
        "c": Outcome(task="c", status="blocked", agent="two"),
    }
    values = coordination(found).values
    assert values["disputed"] == {"rows": {"a": 100, "b": 120}}
    assert values["missing"] == {"c": "blocked"}
    assert values["agents"] == {"one": {"done": 1, "not done": 0}, "two": {"done": 1, "not done": 1}}


def test_the_built_in_agents_work_on_real_data(database: Database, tmp_path: Any) -> None:
    """Research, checks and analysis of a file, and what they come to together."""
    lines = [f"{i},{2 * i + 1},{'north' if i % 2 else 'south'}" for i in range(200)]
    (tmp_path / "orders.csv").write_text("id,amount,region\n" + "\n".join(lines) + "\n")
    context = ToolContext(agent="tester", roots=(str(tmp_path),))
    workflow = AdaptiveWorkflow(TemplateSpecifier(), default_maker(database, context), options=Options(concurrency=2))
    path = str(tmp_path / "orders.csv")
    branches = [
        branch("look", "research.technical", paths=[path]),
        branch("numbers", "analysis", path=path),
        branch("story", "synthesis", "look", "numbers"),
        branch("health", "monitoring"),
    ]
    report = run(workflow, branches, database=database)
    assert {key: o.status for key, o in report.outcomes.items()} == dict.fromkeys(report.outcomes, "done"), report
    assert report.status == "done"
    assert report.outcomes["story"].result["sources"]  # type: ignore[index]
    assert report.outcomes["coordination"].result["missing"] == {}  # type: ignore[index]
