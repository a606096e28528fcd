"""The teams of runs: formed of who can perform the stages, on record with the reasons, better for what was measured."""

from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import crews.staff
from core import journal
from core.errors import InputError
from core.settings import settings
from core.spec import load
from core.store import Database
from core.task import Outcome, Stage, Task
from crews import AGENTS, Agent, Level, Profile, Work
from crews.staff import staff
from delegation import AgentCard, Claim, Workload
from flows import DataPipelineFlow

SPEC = """
name: sales
sources: {sales: {kind: csv, path: sales.csv, columns: {id: integer, city: string, amount: float}}}
validation: {sales: [{check: not_null, column: amount}]}
aggregation: {dataset: sales, group_by: [city], aggregates: {amount: sum(amount)}}
target: {path: out}
"""
BUILT_IN = {"ingestion_agent", "validation_agent", "aggregation_agent"}
QUALITY = Profile(primary={"data_quality": Level.MASTER}, collaboration=0.85)


@dataclass(frozen=True)
class Checker:
    """An agent of a user's own that validates: as the built-in one does, or not at all."""

    id: str = "checker"
    stages: frozenset[Stage] = frozenset({Stage.VALIDATION})
    profile: Profile = QUALITY
    works: bool = True
    seen: list[str] = field(default_factory=list)

    def perform(self, task: Task, work: Work) -> Outcome:
        self.seen.append(task.key)
        if not self.works:
            raise InputError("The rules of this agent are lost.")
        return AGENTS["validation_agent"].perform(task, work).model_copy(update={"agent": self.id})


def run(document: Path, database: Database, *agents: Agent) -> tuple[str, dict[str, Any]]:
    """The run's status, and what the journal tells of its team."""
    flow = DataPipelineFlow(document, database=database, agents=agents)
    status = flow.kickoff().status
    (event,) = journal.events(database, flow.run_id, kind="team.formed")
    return status, event.data


def members(team: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {member["agent"]: member for member in team["members"]}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text("id,city,amount\n1,Oslo,10\n2,Rome,20\n3,Oslo,30\n")
    path = tmp_path / "sales.yaml"
    path.write_text(SPEC)
    return path


def test_the_second_run_forms_its_team_by_what_the_first_one_measured(document: Path, database: Database) -> None:
    """With one agent for each stage there is one team; the journal says so, and what each component is."""
    first_status, first = run(document, database)
    _, second = run(document, database)
    assert first_status == "published"
    assert set(members(first)) == BUILT_IN
    assert "no other covers all needs" in first["reason"]
    assert {need["name"] for need in first["needs"]} == {Stage.INGESTION, Stage.VALIDATION, Stage.AGGREGATION}
    assert all(member["measured"] == 0 for member in first["members"])
    assert all(member["measured"] > 0 for member in second["members"])
    assert first["components"]["performance"] == 0.5 < second["components"]["performance"]
    # The run was published, and all had a part in it.
    assert second["components"]["collaboration"] == pytest.approx(0.8 + 0.1 * 0.2)
    assert second["score"] > first["score"]


def test_an_agent_that_failed_in_the_first_run_is_not_in_the_team_of_the_second(
    document: Path, database: Database
) -> None:
    """By its profile it is the better one; by what was measured it is not, and the journal says by how much."""
    status, first = run(document, database, Checker(works=False))
    assert status == "failed"
    assert "checker" in members(first)
    (without,) = [other for other in first["formation"]["runners_up"] if "checker" not in other["agents"]]
    assert "collaboration -" in without["why"]
    again = Checker(works=False)
    status, second = run(document, database, again)
    assert (status, again.seen) == ("published", [])
    assert set(members(second)) == BUILT_IN
    (other,) = [other for other in second["formation"]["runners_up"] if "validation_agent" not in other["agents"]]
    assert "checker" in other["agents"]
    assert "performance -" in other["why"]


def test_an_agent_of_the_users_own_does_the_work_and_a_resumed_run_needs_it(document: Path, database: Database) -> None:
    """The policy decides its hand-overs as any other's; a process without it says what is missing."""
    own = Checker()
    flow = DataPipelineFlow(load(document), base_dir=document.parent, database=database, agents=[own])
    stopped = DataPipelineFlow(
        load(document),
        base_dir=document.parent,
        database=database,
        agents=[replace(own, works=False)],
    )
    assert flow.kickoff().status == "published"
    allowed = journal.events(database, flow.run_id, kind="delegation.allowed")
    assert {"checker"} <= {event.data["delegate"] for event in allowed}
    assert own.seen
    assert stopped.kickoff().status == "failed"
    with pytest.raises(InputError, match=r"given to checker, and there is no such agent here\. Go on with it"):
        DataPipelineFlow(run_id=stopped.run_id, database=database).kickoff()
    assert DataPipelineFlow(run_id=stopped.run_id, database=database, agents=[own]).kickoff().status == "published"


def test_who_is_busy_elsewhere_is_not_in_the_team_if_another_can_do_it(document: Path, database: Database) -> None:
    with Workload(database) as workload:
        workload.register([AgentCard(id="checker", capacity=1)])
        workload.claim(Claim(agent="checker", task="elsewhere"))
        # The card of the run has the usual capacity: all of it is taken.
        workload.register([AgentCard(id="checker", capacity=10)])
        for number in range(9):
            workload.claim(Claim(agent="checker", task=f"elsewhere/{number}"))
        status, team = run(document, database, Checker())
    assert status == "published"
    assert team["formation"]["left_out"]["checker"] == "has all the tasks that it may have"


def offering(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """As if a package had been installed that offers agents."""
    entries = [EntryPoint(name="mine", value=value, group=crews.staff.GROUP)]
    monkeypatch.setattr(crews.staff, "entry_points", lambda group: entries if group == crews.staff.GROUP else [])


def checkers() -> list[Checker]:
    return [Checker()]


def test_agents_of_installed_packages_are_on_the_staff_where_their_modules_are_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offering(monkeypatch, "tests.test_run_teams:checkers")
    found = staff()
    assert set(found.agents) == set(AGENTS)
    assert "tests.test_run_teams is not among those" in found.left_out["mine"]
    monkeypatch.setenv("CREWLINE_AGENT_MODULES", "tests")
    settings.cache_clear()
    try:
        assert set(staff().agents) == {*AGENTS, "checker"}
        offering(monkeypatch, "tests.test_run_teams:SPECS")
        with pytest.raises(InputError, match="cannot be loaded"):
            staff()
        offering(monkeypatch, "tests.nowhere:agents")
        with pytest.raises(InputError, match="cannot be loaded"):
            staff()
    finally:
        settings.cache_clear()


def test_what_is_no_agent_and_two_of_one_id_are_refused() -> None:
    with pytest.raises(InputError, match="There are two agents validation_agent"):
        staff([replace(Checker(), id="validation_agent")])
    with pytest.raises(InputError, match=r"is no agent: it has no id, stages, profile, perform\."):
        staff([object()])  # type: ignore[list-item]
