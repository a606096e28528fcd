"""The seam between the flow and what runs its tasks."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from core.stop import Stop
from core.task import Outcome, Task

Perform = Callable[[Task], Outcome]

_PRIORITY = {"high": 0, "medium": 1, "low": 2}


class Workflow(Protocol):
    """Runs tasks, each after those that it needs."""

    def run(self, tasks: Sequence[Task], perform: Perform, stop: Stop) -> dict[str, Outcome]:
        """The outcome of each task, by key.

        `tasks` are all that any of them needs. A task one of whose needs was not done gets the outcome `blocked`. A
        failed task does not keep its siblings from running: `perform` returns its failure as an outcome. What
        `perform` raises ends the run of the whole, once the tasks under way have ended.
        """
        ...


class ThreadWorkflow:
    """Up to `branches` tasks at a time, on threads; those of high priority first."""

    def __init__(self, branches: int) -> None:
        self.branches = branches

    def run(self, tasks: Sequence[Task], perform: Perform, stop: Stop) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        waiting = sorted(tasks, key=lambda task: _PRIORITY[task.priority])
        running: dict[Future[Outcome], Task] = {}
        with ThreadPoolExecutor(self.branches, thread_name_prefix="branch") as pool:
            try:
                while waiting or running:
                    stop.check()
                    for task in [task for task in waiting if task.needs <= outcomes.keys()]:
                        failed = sorted(key for key in task.needs if outcomes[key].status != "done")
                        if failed:
                            note = f"needs {', '.join(failed)}"
                            outcomes[task.key] = Outcome(task=task.key, status="blocked", notes=[note])
                        elif len(running) < self.branches:
                            running[pool.submit(perform, task)] = task
                        else:
                            continue
                        waiting.remove(task)
                    if running:
                        for future in wait(running, return_when=FIRST_COMPLETED).done:
                            task = running.pop(future)
                            outcomes[task.key] = future.result()
                    elif waiting and not any(task.needs <= outcomes.keys() for task in waiting):
                        left = ", ".join(sorted(task.key for task in waiting))
                        raise AssertionError(f"tasks that wait for one another, or for nobody: {left}")
            except BaseException:
                # The others must not be left to work for nobody.
                stop.request(stop.reason or "another task could not go on")
                raise
        return outcomes
