"""Which agent gets which task."""

import pytest

from core.errors import InputError
from core.task import Stage, Task
from crews import AGENTS
from delegation import StageAssigner


def test_each_task_goes_to_the_agent_of_its_stage_with_a_reason() -> None:
    """The built-in agents cover all stages."""
    tasks = [Task(stage=stage, dataset="d") for stage in Stage]
    given = StageAssigner().assign(tasks, {agent.id: agent.stages for agent in AGENTS.values()})
    assert [(a.task, a.agent) for a in given] == [(f"{stage}/d/0", f"{stage}_agent") for stage in Stage]
    assert all(a.reason for a in given)


def test_the_choice_among_several_agents_is_the_same_every_time() -> None:
    """The first by id."""
    task = Task(stage=Stage.INGESTION, dataset="d")
    for ids in (["b", "a", "c"], ["c", "b", "a"]):
        agents = {name: frozenset({Stage.INGESTION}) for name in ids}
        assert StageAssigner().assign([task], agents)[0].agent == "a"


def test_a_task_that_no_agent_can_perform_is_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match=r"validation/d/0: there are ingestion_agent"):
        StageAssigner().assign(
            [Task(stage=Stage.VALIDATION, dataset="d")], {"ingestion_agent": frozenset({Stage.INGESTION})}
        )
