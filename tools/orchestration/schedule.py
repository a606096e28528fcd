"""How long tasks take together, and what a run's time was spent on."""

import heapq
from collections.abc import Callable, Sequence

from core.task import Task
from tools.orchestration.history import Attempt, History

# What a step's end and its successor's beginning may differ by, since both are clocked within their transactions.
_CLOCK_S = 0.001


def makespan(tasks: Sequence[Task], seconds: Callable[[Task], float], branches: int) -> float:
    """Seconds until all tasks are done, each taking its seconds, so many at a time: Graham's list schedule.

    A task starts when all that it needs are done and a branch is free; those that could start do so in their order.
    `tasks` are all that any of them needs.
    """
    waiting = list(tasks)
    running: list[tuple[float, str]] = []
    done: set[str] = set()
    now = 0.0
    while waiting or running:
        for task in [task for task in waiting if task.needs <= done][: branches - len(running)]:
            heapq.heappush(running, (now + seconds(task), task.key))
            waiting.remove(task)
        now, key = heapq.heappop(running)
        done.add(key)
    return now


def spent(history: History) -> dict[str, float]:
    """What the run's time was spent on, in seconds: the steps of its chain, summed up by what they work on, such as
    `validation/orders`, `plan`, `gate`, `publish`."""
    found: dict[str, float] = {}
    for step in chain(history):
        label = "/".join(step.key.split("/")[:2]) if step.key in history.all_tasks else step.key.partition("/")[0]
        found[label] = found.get(label, 0.0) + (step.seconds or 0.0)
    return found


def chain(history: History) -> list[Attempt]:
    """The steps that others had to wait for, the last one first; what ran beside them cost no time.

    From the last step back to the first, each is preceded by the one that ended last before it began.
    """
    ended = [step for step in history.steps.values() if step.finished_at]
    found: list[Attempt] = []
    step = max(ended, key=_end, default=None)
    while step is not None:
        found.append(step)
        begun = step.started_at
        ended = [other for other in ended if other.started_at < begun and _end(other) <= begun.timestamp() + _CLOCK_S]
        step = max(ended, key=_end, default=None)
    return found


def _end(step: Attempt) -> float:
    return step.finished_at.timestamp() if step.finished_at else 0.0
