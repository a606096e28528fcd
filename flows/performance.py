"""A run's tasks as branches of a graph, each performed by the agent that it was given to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from core.dataset import DatasetRef
from core.errors import AtCapacity, InputError
from core.task import Outcome, Task
from crews import Agent, Work
from delegation import Claim, Workload
from flows.assignment import BUSY_S, WAITS
from flows.executors import executors
from flows.pieces import in_pieces
from flows.session import Session
from flows.terms import limits_of
from graphs import Attempt, Branch, SyncPoint
from tools.orchestration.requirements import Plan


@dataclass(frozen=True)
class AgentWorker:
    """An agent as a worker: its branches are those whose tasks were given to it.

    With `alone`, a task gets the whole machine: for tasks that failed for want of memory, one at a time. `pieces` are
    those that its rows are worked on in, by its place.
    """

    agent: Agent
    session: Session
    plan: Plan
    tasks: Mapping[str, Task]
    alone: bool
    capacity: int
    workload: Workload
    pieces: Mapping[str, int]

    @property
    def name(self) -> str:
        return self.agent.id

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({self.agent.id})

    def perform(self, branch: Branch, attempt: Attempt) -> Outcome:
        """Perform the branch's task. Raises CrewlineError."""
        task = self.tasks[branch.key]
        claim = self._claimed(task, attempt)
        try:
            work, pieces = self._work(task, attempt), self.pieces.get(task.place, 1)
            return in_pieces(self.agent, task, work, pieces) if pieces > 1 else self.agent.perform(task, work)
        finally:
            self.workload.release(claim)

    def _claimed(self, task: Task, attempt: Attempt) -> Claim:
        """The agent's promise to do the task, within its capacity: while it has too much to do, wait."""
        rows = sum(ref.rows for ref in _outputs(attempt, task.inputs))
        claim = Claim(agent=self.name, task=task.key, kind=str(task.stage), run_id=self.session.run_id, volume=rows)
        waited = False
        while True:
            try:
                return self.workload.claim(claim)
            except AtCapacity as full:
                if not waited:
                    self.session.ledger.tell(WAITS, actor=self.name, step=task.key, reason=full.reason, agent=self.name)
                waited = True
                attempt.stop.wait(BUSY_S)

    def _work(self, task: Task, attempt: Attempt) -> Work:
        session = self.session
        return Work(
            spec=session.spec,
            surroundings=session.surroundings,
            parts=self.plan.parts[task.dataset],
            inputs=_outputs(attempt, task.inputs),
            context={dataset: _outputs(attempt, keys) for dataset, keys in task.context.items()},
            path=attempt.path,
            limits=limits_of(session, task, alone=self.alone),
            stop=attempt.stop,
            began=session.began,
        )


def workers_for(
    session: Session,
    plan: Plan,
    tasks: Sequence[Task],
    agents: Mapping[str, str],
    workload: Workload,
    *,
    alone: bool,
    width: int,
    pieces: Mapping[str, int],
) -> list[AgentWorker]:
    """A worker for each agent that was given some of the tasks. `agents` maps a task's place to the agent's id.

    Raises InputError for one who is not here.
    """
    by_key = {task.key: task for task in tasks}
    given = sorted({agents[task.place] for task in tasks})
    known = executors(session)
    for name in given:
        if name not in known:
            raise InputError(
                f"Tasks of run {session.run_id} were given to {name}, and there is no such agent here.",
                remedy="Go on with it where the agent is installed, or give it to the run (`agents=`).",
            )
    return [AgentWorker(known[name], session, plan, by_key, alone, width, workload, pieces) for name in given]


def branches_for(tasks: Sequence[Task], agents: Mapping[str, str]) -> tuple[list[Branch], list[SyncPoint]]:
    """The tasks as branches, with a sync point where one needs all shards of a dataset."""
    syncs: dict[frozenset[str], SyncPoint] = {}

    def met(keys: Collection[str]) -> list[str]:
        if len(keys) < 2:
            return list(keys)
        point = syncs.setdefault(
            frozenset(keys), SyncPoint(name=f"sync/{min(keys)}", branches=tuple(sorted(keys)), quorum=1.0)
        )
        return [point.name]

    branches = [
        Branch(
            key=task.key,
            kind=agents[task.place],
            payload={"stage": str(task.stage), "dataset": task.dataset, "shard": task.shard},
            needs=tuple(dict.fromkeys(need for keys in (task.inputs, *task.context.values()) for need in met(keys))),
            priority=task.priority,
        )
        for task in tasks
    ]
    return branches, list(syncs.values())


def _outputs(attempt: Attempt, keys: tuple[str, ...]) -> list[DatasetRef]:
    return [output for key in keys if (output := attempt.needed[key].output) is not None]
