"""The registry: found by what they can do, take and give, in whatever order they came; and nothing imported unasked."""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.errors import InputError, Refused, SpecError
from core.settings import Settings, settings
from crews.registry import (
    AgentDefinition,
    Capability,
    DataSchema,
    Registry,
    Standing,
    assemble,
    default_registry,
    suggest,
)
from crews.registry.builtin.stages import Validation
from crews.registry.selection import ranked
from tests import made_agents

CAPABILITIES = sorted(Capability)
FORMS = ("a", "b", "c")
COLUMNS = st.dictionaries(st.sampled_from("xy"), st.sampled_from(["integer", "string"]), max_size=2)
SCHEMAS = st.builds(DataSchema, form=st.sampled_from(FORMS), columns=COLUMNS)


@st.composite
def agents(draw: st.DrawFn, most: int = 7) -> list[AgentDefinition]:
    """Some agents, each with an id of its own."""
    n = draw(st.integers(1, most))
    levels = st.dictionaries(st.sampled_from(CAPABILITIES), st.sampled_from([0.5, 0.8, 1.0]), min_size=1, max_size=3)
    return [
        AgentDefinition(
            id=f"agent{i}",
            module="somewhere",
            class_name="Some",
            capabilities=draw(levels),
            input=draw(SCHEMAS),
            output=draw(SCHEMAS),
        )
        for i in range(n)
    ]


def found(ask: Any, *arguments: Any) -> list[str]:
    """The ids of what is answered; of a refusal, none."""
    try:
        return [one.id for one in ask(*arguments)]
    except InputError:
        return []


@hypothesis_settings(max_examples=50)
@given(known=agents(), order=st.randoms(use_true_random=False), schema=SCHEMAS)
def test_the_indexes_agree_with_a_scan_in_any_order_of_registration(
    known: list[AgentDefinition], order: Any, schema: DataSchema
) -> None:
    shuffled = order.sample(known, len(known))
    registry = Registry([*shuffled, known[0]])
    assert registry.all() == known
    for capability in CAPABILITIES:
        assert found(registry.with_capability, capability) == [a.id for a in known if capability in a.capabilities]
    needed = schema.columns.items()
    gives = [a.id for a in known if a.output.form == schema.form and needed <= a.output.columns.items()]
    takes = [a.id for a in known if a.input.form == schema.form and a.input.columns.items() <= needed]
    assert found(registry.producers, schema) == gives
    assert found(registry.consumers, schema) == takes


def ways(known: list[AgentDefinition], first: Capability, last: Capability, longest: int) -> set[tuple[str, ...]]:
    """All ways, by trying out every order of every choice of agents."""
    return {
        tuple(agent.id for agent in order)
        for n in range(1, longest + 1)
        for order in itertools.permutations(known, n)
        if first in order[0].capabilities
        and last in order[-1].capabilities
        and all(a.output.fits(b.input) for a, b in itertools.pairwise(order))
    }


@given(
    known=agents(5), first=st.sampled_from(CAPABILITIES), last=st.sampled_from(CAPABILITIES), longest=st.integers(1, 5)
)
def test_a_way_is_suggested_whenever_there_is_one_and_the_shortest_first(
    known: list[AgentDefinition], first: Capability, last: Capability, longest: int
) -> None:
    """With room for all of them, all are found, each once."""
    there = ways(known, first, last, longest)
    if not there:
        with pytest.raises(InputError):
            suggest(Registry(known), first, last, longest=longest)
        return
    suggested = [way.agents for way in suggest(Registry(known), first, last, longest=longest, most=1000)]
    assert set(suggested) == there
    assert len(suggested) == len(there)
    assert [len(way) for way in suggested] == sorted(map(len, there))
    assert [way.agents for way in suggest(Registry(known), first, last, longest=longest, most=1)] == suggested[:1]


def test_a_long_way_is_found_among_many_agents_that_lead_nowhere() -> None:
    """A chain of twelve; beside each link five others that end blind."""
    chain = [agent(f"link{i:02}", f"f{i}", f"f{i + 1}", "data_validation") for i in range(12)]
    chain[0] = agent("link00", "f0", "f1", "batch_processing")
    chain[-1] = agent("link11", "f11", "f12", "data_aggregation")
    blind = [agent(f"blind{i}{j}", f"f{i}", "nowhere", "data_validation") for i in range(12) for j in range(5)]
    (way,) = suggest(Registry([*blind, *chain]), "batch_processing", "data_aggregation", longest=12)
    assert way.agents == tuple(one.id for one in chain)
    with pytest.raises(InputError, match="No way of up to 11 agents"):
        suggest(Registry([*blind, *chain]), "batch_processing", "data_aggregation", longest=11)


def agent(name: str, takes: str, gives: str, *capabilities: str, **more: Any) -> AgentDefinition:
    return made_agents.definition(name, "Keeper", capabilities=capabilities, input=takes, output=gives, **more)


@hypothesis_settings(max_examples=50)
@given(
    known=agents(6),
    capabilities=st.lists(st.sampled_from(CAPABILITIES), min_size=2, max_size=4),
    measured=st.dictionaries(st.sampled_from([f"agent{i}" for i in range(6)]), st.sampled_from([0.0, 0.5, 1.0])),
)
def test_an_assembly_is_the_best_of_all_that_fit_together(
    known: list[AgentDefinition], capabilities: list[Capability], measured: dict[str, float]
) -> None:
    standings = {name: Standing(tasks=10, success=share) for name, share in measured.items()}
    totals = [
        {score.agent: score.total for score in ranked([a for a in known if c in a.capabilities], c, standings)}
        for c in capabilities
    ]
    by_id = {a.id: a for a in known}
    there = {
        chain: sum(of[name] for of, name in zip(totals, chain, strict=True))
        for chain in itertools.product(*totals)
        if all(by_id[a].output.fits(by_id[b].input) for a, b in itertools.pairwise(chain))
    }
    if not there:
        with pytest.raises(InputError):
            assemble(Registry(known), capabilities, standings=standings)
        return
    plan = assemble(Registry(known), capabilities, standings=standings)
    chosen = tuple(stage.agent.id for stage in plan.stages)
    best = max(there.values())
    assert chosen == min(chain for chain, total in there.items() if total == pytest.approx(best))
    assert type(plan).model_validate_json(plan.model_dump_json(by_alias=True)) == plan


def test_who_was_measured_to_do_better_is_chosen_and_who_is_busy_is_not() -> None:
    """0.4 capability + 0.4 performance + 0.2 availability, what is unknown counting as five tasks of 0.5."""
    twins = [agent(name, "files", "records", "batch_processing") for name in ("first", "second")]
    (best, other) = ranked(twins, Capability.BATCH_PROCESSING, {"second": Standing(tasks=15, success=1.0)})
    assert (best.agent, best.performance, other.performance) == ("second", 0.875, 0.5)
    assert best.total == pytest.approx(0.4 + 0.4 * 0.875 + 0.2)
    busy = {"second": Standing(tasks=15, success=1.0, availability=0.0)}
    assert ranked(twins, Capability.BATCH_PROCESSING, busy)[0].agent == "first"
    fast = {name: Standing(tasks=15, success=1.0, throughput_rps=n) for name, n in (("first", 10), ("second", 40))}
    assert [score.performance for score in ranked(twins, Capability.BATCH_PROCESSING, fast)] == [0.9375, 0.5625]


def test_who_has_all_that_it_needs_is_chosen_before_a_better_one_that_has_not() -> None:
    registry = Registry(
        [
            agent("asking", "files", "records", "batch_processing", needs=["columns"]),
            agent("willing", "files", "records", "batch_processing"),
            agent("end", "records", "files", "data_aggregation"),
        ]
    )
    capabilities = ["batch_processing", "data_aggregation"]
    better = {"asking": Standing(tasks=100, success=1.0)}
    assert assemble(registry, capabilities, standings=better).stages[0].agent.id == "willing"
    given = {"batch_processing": {"columns": {"a": "string"}}}
    plan = assemble(registry, capabilities, standings=better, overrides=given)
    assert (plan.stages[0].agent.id, plan.stages[0].overrides) == ("asking", given["batch_processing"])
    plan.check_complete()
    # Whoever names an agent wants that one.
    assert assemble(registry, capabilities, overrides={"asking": {}}).stages[0].agent.id == "asking"


def test_what_cannot_be_assembled_is_told_with_what_each_side_takes_and_gives() -> None:
    registry = default_registry()
    with pytest.raises(InputError, match="at least two capabilities"):
        assemble(registry, ["batch_processing"])
    with pytest.raises(InputError, match=r"'cooking' is no capability\. There are: stream_processing"):
        assemble(registry, ["batch_processing", "cooking"])
    with pytest.raises(
        InputError,
        match="data_enrichment cannot come after data_aggregation: aggregation_agent gives files; enrichment",
    ):
        assemble(registry, ["batch_processing", "data_aggregation", "data_enrichment"])
    with pytest.raises(InputError, match="Nobody at all produces stream"):
        assemble(registry, ["batch_processing", "stream_processing"])
    with pytest.raises(InputError, match="cooking: no stage of this pipeline is called so"):
        assemble(registry, ["batch_processing", "data_validation"], overrides={"cooking": {}})
    with pytest.raises(InputError, match=r"cannot be run yet: aggregation_agent needs group_by\."):
        assemble(registry, ["batch_processing", "data_aggregation"]).check_complete()
    with pytest.raises(
        InputError, match=r"No agent has the capability data_enrichment\. Register one; there are agents"
    ):
        Registry([agent("a", "files", "records", "batch_processing")]).with_capability("data_enrichment")
    with pytest.raises(InputError, match=r"Nobody produces parquet\. What agents produce: files, records"):
        registry.producers("parquet")
    with pytest.raises(InputError, match="There is no agent 'nobody'"):
        registry.get("nobody")


def test_every_agent_of_crewlines_own_can_be_made_and_reaches_every_other(configuration: Settings) -> None:
    registry = default_registry()
    needs: dict[str, Any] = {
        "columns": {"a": "string"},
        "rules": [{"rule": "trim", "columns": ["a"]}],
        "group_by": ["a"],
        "datasets": {"o": {"path": "o.csv", "columns": {"a": "string"}}},
    }
    for one in registry.all():
        given = {name: needs[name] for name in (*one.needs, *(["datasets"] if one.id == "enrichment_agent" else []))}
        assert callable(registry.instantiate(one.id, given).perform)
    assert {c for one in registry.all() for c in one.capabilities} == set(Capability)


def test_an_agent_is_made_with_its_configuration_and_overrides_that_win() -> None:
    registry = Registry(
        [made_agents.definition("keeper", "Keeper", configuration={"loses": 1})], modules=["tests.made_agents"]
    )
    assert registry.instantiate("keeper").loses == 1  # type: ignore[attr-defined]
    assert registry.instantiate("keeper", {"loses": 2}).loses == 2  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"cannot be made with loses, wins: .*unexpected keyword argument 'wins'"):
        registry.instantiate("keeper", {"wins": 1})
    with pytest.raises(InputError, match=r"configuration of validation_agent is wrong: repairs: unknown argument"):
        default_registry().instantiate("validation_agent", {"repairs": True})
    assert isinstance(default_registry().instantiate("validation_agent"), Validation)


def test_nothing_is_imported_from_a_module_that_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configuration: Settings
) -> None:
    """Not even to see whether the class is there; once it is allowed, by the settings or the registry, it is."""
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    (tmp_path / "trap_too.py").write_text("class A:\n    def perform(self, job): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    fields = {"capabilities": ["data_validation"], "input": "records", "output": "records"}
    bad, good = (
        AgentDefinition.model_validate({"id": name, "module": name, "class": "A", **fields})
        for name in ("trap", "trap_too")
    )
    registry = Registry([bad, good], modules=["tra", "trap.below", "trap_"])
    for name in ("trap", "trap_too"):
        with pytest.raises(Refused, match=rf"its module {name} is not among those .* CREWLINE_AGENT_MODULES"):
            registry.instantiate(name)
        assert name not in sys.modules
    assert Registry([good], modules=["trap_too"]).instantiate("trap_too")
    monkeypatch.setenv("CREWLINE_AGENT_MODULES", "elsewhere, trap_too")
    settings.cache_clear()
    assert Registry([good]).instantiate("trap_too")


@pytest.mark.parametrize(
    ("module", "name", "told"),
    [
        ("tests.made_agents", "Nobody", r"The class of a does not exist: tests\.made_agents has no Nobody"),
        ("tests.made_agents", "Idle", r"tests\.made_agents\.Idle is no agent: it is no class with a method `perform"),
        ("tests.made_agents", "offered", r"tests\.made_agents\.offered is no agent"),
        ("tests.nowhere", "A", r"The module of a, tests\.nowhere, cannot be imported"),
    ],
)
def test_a_class_that_is_not_there_or_is_no_agents_is_named(module: str, name: str, told: str) -> None:
    fields = {"capabilities": ["data_validation"], "input": "records", "output": "records"}
    definition = AgentDefinition.model_validate({"id": "a", "module": module, "class": name, **fields})
    with pytest.raises(InputError, match=told):
        Registry([definition], modules=["tests"]).instantiate("a")


DOCUMENT = """
agents:
  - id: keeper
    module: tests.made_agents
    class: Keeper
    capabilities: {data_enrichment: 0.9}
    input: {form: records, columns: {id: integer}}
    output: records
    resources: {cores: 0.5, memory_mb: 128}
"""


def test_definitions_come_from_a_document_and_its_faults_are_told_place_by_place(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(DOCUMENT)
    keeper = default_registry([tmp_path / "agents.yaml"]).get("keeper")
    assert keeper.capabilities == {Capability.DATA_ENRICHMENT: 0.9}
    assert (str(keeper.input), keeper.resources.cores) == ("records with id: integer", 0.5)
    wrong = DOCUMENT.replace("data_enrichment: 0.9", "cooking: 7").replace("module: tests.made_agents", "module: a b")
    (tmp_path / "wrong.yaml").write_text(wrong.replace("id: integer", "id: number"))
    with pytest.raises(SpecError) as caught:
        default_registry([tmp_path / "wrong.yaml"])
    places = [problem.partition(":")[0] for problem in caught.value.problems]
    assert {"agents.0.module", "agents.0.capabilities.cooking", "agents.0.input.columns.id"} <= set(places)
    (tmp_path / "twice.yaml").write_text(DOCUMENT.replace("0.9", "0.8"))
    with pytest.raises(InputError, match="two agents keeper"):
        default_registry([tmp_path / "agents.yaml", tmp_path / "twice.yaml"])


def test_an_installed_package_offers_agents_if_its_module_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    entry = EntryPoint(name="made", value="tests.made_agents:offered", group="crewline.agents")
    monkeypatch.setattr("crews.registry.registry.entry_points", lambda group: [entry])
    assert "keeper" in [one.id for one in default_registry(modules=["tests.made_agents"]).all()]
    left_out = default_registry()
    assert "keeper" not in [one.id for one in left_out.all()]
    assert "tests.made_agents:offered are left out: its module tests.made_agents is not among" in left_out.notes[0]
    for value, told in (
        ("tests.made_agents:gone", "cannot be loaded"),
        ("tests.made_agents:FIELD", "cannot be loaded"),
    ):
        wrong = EntryPoint(name="made", value=value, group="crewline.agents")
        monkeypatch.setattr("crews.registry.registry.entry_points", lambda group, wrong=wrong: [wrong])
        with pytest.raises(InputError, match=told):
            default_registry(modules=["tests.made_agents"])
