"""DataTeam: the crew, laid out as CrewAI's own projects are."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.telemetry import quiet

os.environ.update(quiet())

from crewai import Agent, Crew, Process, Task
from crewai.project import CrewBase, agent, crew, task

if TYPE_CHECKING:
    from crewai.agents.agent_builder.base_agent import BaseAgent
    from crewai.llms.base_llm import BaseLLM
    from crewai.tools import BaseTool


@CrewBase
class DataTeam:
    """An analyst who finds out what is meant, and a steward who corrects what is sure.

    `models` and `tools` are those of each member, by its name. `crew().kickoff(inputs)` fills the places that
    `config/agents.yaml` and `config/tasks.yaml` name: dataset, stage, rows, file, reasons, demands, texts.
    """

    agents: "list[BaseAgent]"
    tasks: list[Task]
    agents_config = "config/agents.yaml"
    tasks_config = "config/tasks.yaml"

    def __init__(self, models: "Mapping[str, BaseLLM]", tools: "Mapping[str, Sequence[BaseTool]]") -> None:
        self._models = models
        self._tools = tools

    @agent
    def data_analyst(self) -> Agent:
        return self._member("data_analyst")

    @agent
    def data_steward(self) -> Agent:
        return self._member("data_steward")

    @task
    def examine(self) -> Task:
        return Task(config=self._config(self.tasks_config, "examine"))  # type: ignore[call-arg]  # the rest is in it

    @task
    def correct(self) -> Task:
        return Task(config=self._config(self.tasks_config, "correct"))  # type: ignore[call-arg]  # the rest is in it

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.sequential, verbose=False)

    def _member(self, name: str) -> Agent:
        config = self._config(self.agents_config, name)
        # A model that fails is the caller's to deal with, at once.
        return Agent(config=config, llm=self._models[name], tools=list(self._tools[name]), max_retry_limit=0)

    def _config(self, of: Any, name: str) -> dict[str, Any]:
        return dict(of[name])
