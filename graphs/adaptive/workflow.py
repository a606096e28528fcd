"""AdaptiveWorkflow: a graph that makes its own workers (systems G2)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Send

from crews.dynamic import UNCOORDINATED, AgentSpec, ResourcePool, Resources, Specifier
from crews.dynamic.specification import RETRIES
from graphs.adaptive.admission import Admission
from graphs.branch import Branch
from graphs.clock import Clock
from graphs.parallel.binding import Binding
from graphs.parallel.nodes import QUESTIONS
from graphs.parallel.options import Options
from graphs.parallel.staff import Staff
from graphs.parallel.state import ParallelState, Sent
from graphs.parallel.workflow import Opener, ParallelWorkflow, Review
from graphs.worker import Answer, Attempt, Worker

COORDINATION = "coordination"

# Makes the worker that a specification describes. It is called in each process that works on the graph.
Maker = Callable[[AgentSpec], Worker]


class AdaptiveState(ParallelState, total=False):
    """A parallel workflow's state, and the agents that were made for it: specifications, never instances."""

    requirements: dict[str, int]
    agents: list[dict[str, Any]]


class Spawned(Sent):
    """What a spawned agent is sent: the keys of its branches, and what it is."""

    agent: dict[str, Any]


@dataclass(frozen=True)
class SpawnedWorker:
    """A worker within the bounds of a specification."""

    spec: AgentSpec
    made: Worker

    @property
    def name(self) -> str:
        return self.spec.id

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.spec.kinds)

    @property
    def capacity(self) -> int:
        return self.spec.concurrent_tasks

    @property
    def timeout_s(self) -> float:
        return self.spec.timeout_s

    @property
    def perform(self) -> Callable[[Branch, Attempt], Answer | Any]:
        return self.made.perform


class AdaptiveWorkflow(ParallelWorkflow):
    """Works out which agents the queue needs, specifies them, and spawns them with `Send`, each with its branches.

    Branches of more than two kinds get a coordinator, which brings together what the others found. `specifier` says
    which agents; `make` makes a worker of a specification. While an agent works, what its specification says that it
    takes is its own: agents wait for it, and take no more than the machine has, or the run's `budget`, over all
    processes. By default, what fails is tried up to three times more. All else is as in a ParallelWorkflow.
    """

    name = "adaptive"
    _state = AdaptiveState
    _sent = Spawned

    def __init__(
        self,
        specifier: Specifier,
        make: Maker,
        *,
        options: Options | None = None,
        clock: Clock | None = None,
        review: Sequence[Review] = (),
        opener: Opener | None = None,
        budget: Resources | None = None,
    ) -> None:
        self._set_up((), options or Options(attempts=1 + RETRIES), clock, review, opener)
        self._specifier = specifier
        self._make = make
        self._budget = budget

    @property
    def definition(self) -> dict[str, Any]:
        budget = {"budget": self._budget.model_dump()} if self._budget else {}
        return {**super().definition, "maker": self._make.__module__, **budget}

    async def _analyze(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        update = await super()._analyze(state, config)
        binding = await self._binding(config)
        specs = _specs(binding)
        for spec in specs:
            assert binding.dispatch is not None, "it was opened by the analysis"
            await binding.dispatch.tell("agent.specified", **spec.model_dump(mode="json"))
        return {
            **update,
            "requirements": dict(Counter(branch.kind for branch in binding.branches)),
            "agents": [spec.model_dump(mode="json") for spec in specs],
        }

    def _completed(self, binding: Binding) -> None:
        """Specify the agents; a coordinator among them gets a branch of its own, after all others."""
        pool = self._pool(binding)
        asked = self._specifier.specify([branch.kind for branch in binding.branches])
        specs = [spec.model_copy(update={"resources": pool.fitted(spec.resources)}) for spec in asked]
        binding.extra["agents"] = [spec.model_dump(mode="json") for spec in specs]
        kinds = {branch.kind for branch in binding.branches}
        coordinated = any(COORDINATION in spec.kinds for spec in specs)
        if coordinated and len(kinds) > UNCOORDINATED and COORDINATION not in kinds:
            keys = tuple(branch.key for branch in binding.branches)
            binding.branches.append(Branch(key=COORDINATION, kind=COORDINATION, needs=keys, priority="high"))

    def _questions(self) -> list[str]:
        return sorted(QUESTIONS)

    def _check_kinds(self, branches: Sequence[Branch]) -> None:
        self._specifier.specify([branch.kind for branch in branches])

    def _staff(self, binding: Binding) -> Staff:
        return Staff([SpawnedWorker(spec, self._make(spec)) for spec in _specs(binding)])

    def _admission(self, binding: Binding) -> Admission:
        return Admission(self._pool(binding), {spec.id: spec for spec in _specs(binding)}, binding.stop, self._clock)

    def _pool(self, binding: Binding) -> ResourcePool:
        lease = binding.ledger.lease
        return ResourcePool(lease.database, run_id=lease.run_id, budget=self._budget)

    def _worker_nodes(self) -> dict[str, Callable[..., Any]]:
        return {"spawned_agent": self._attend_spawned}

    def _sends(self, state: AdaptiveState) -> list[Send] | str:  # type: ignore[override]  # LangGraph reads by the type
        agents = {agent["id"]: agent for agent in state["agents"]}
        return [
            Send("spawned_agent", {"keys": of["keys"], "agent": agents[of["worker"]]})
            for of in state["active_branches"]
        ] or "sync_point_manager"

    async def _attend_spawned(self, sent: Spawned, config: RunnableConfig) -> dict[str, Any]:
        return await self._attend(sent["agent"]["id"], sent, config)


def _specs(binding: Binding) -> list[AgentSpec]:
    return [AgentSpec.model_validate(spec) for spec in binding.extra["agents"]]
