"""A stage: what it does, how often it is tried, and what its failure means."""

import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from core.errors import InputError, StateError, WorkError
from core.settings import settings
from core.stop import Stop
from core.task import Outcome
from graphs.branch import Branch
from graphs.staged.record import Try
from graphs.worker import Answer, Attempt, Result, Worker

FailurePolicy = Literal["stop", "skip", "retry"]


@dataclass(frozen=True)
class Context:
    """What a stage is given besides its input.

    `number` counts the tries at this stage from 1, on through resumptions. `input` is the run's, `outputs` has what
    the stages before returned, `history` their tries and those of this one, `errors` those that failed. `stop` says
    when to give up, because the run was cancelled or this try's time is up: whoever works on a thread should ask it.
    """

    pipeline: str
    run_id: str
    stage: str
    number: int
    stop: Stop
    input: Any
    outputs: Mapping[str, Any]
    history: tuple[Try, ...]

    @property
    def errors(self) -> tuple[Try, ...]:
        return tuple(entry for entry in self.history if entry.failure)


# Takes what the stage before returned (plain JSON) and the context; returns plain JSON, or a coroutine that does.
Work = Callable[[Any, Context], Any]
Proceed = Callable[[Any], Awaitable[Any]]
# Takes the same, and what goes on with the value that it is given.
Middleware = Callable[[Any, Context, Proceed], Awaitable[Any]]


@dataclass(frozen=True)
class Stage:
    """One stage. It is tried `retries` times more after a failure; each try may take `timeout_s` seconds."""

    name: str
    work: Work
    retries: int
    timeout_s: float
    on_failure: FailurePolicy
    middleware: tuple[Middleware, ...] = ()


def work_of(stage: str, performer: Worker | Work) -> Work:
    """What a stage does: the callable itself, or what the agent performs.

    An agent gets a branch with the stage's input, an object, as payload. Its kind is the agent's only one, or else the
    one that is called like the stage. Raises InputError for an agent without such a kind, and for what is neither.
    """
    if hasattr(performer, "perform") and hasattr(performer, "kinds"):
        return _performed(stage, cast(Worker, performer))
    if not callable(performer):
        raise InputError(
            f"Stage {stage}: {performer!r} is neither an agent nor callable.",
            remedy="Give a worker with `perform(branch, attempt)`, or a function of a value and a context.",
        )
    return performer


def _performed(stage: str, performer: Worker) -> Work:
    kinds = performer.kinds
    kind = stage if stage in kinds else next(iter(kinds), stage)
    if len(kinds) != 1 and stage not in kinds:
        raise InputError(
            f"Stage {stage}: {performer.name} performs {', '.join(sorted(kinds)) or 'nothing'}.",
            remedy="Name the stage like one of these, or give an agent of one kind.",
        )

    def work(value: Any, context: Context) -> Any:
        if not isinstance(value, dict):
            raise InputError(
                f"Stage {stage}: its agent takes an object, and was given a {type(value).__name__}.",
                remedy="Let the stage before return an object.",
            )
        folder = settings().runs_dir / context.run_id / "stages" / f"{stage}-{context.number}-{secrets.token_hex(4)}"
        attempt = Attempt(run_id=context.run_id, number=context.number, stop=context.stop, folder=folder)
        answer = performer.perform(Branch(key=stage, kind=kind, payload=value), attempt)
        return _later(stage, answer) if inspect.isawaitable(answer) else _value(stage, answer)

    return work


async def _later(stage: str, answer: Awaitable[Answer]) -> Any:
    return _value(stage, await answer)


def _value(stage: str, answer: Any) -> Any:
    """What an agent's answer hands on. Raises WorkError for one that says it failed, StateError for no answer."""
    if isinstance(answer, Result):
        return dict(answer.values)
    if not isinstance(answer, Outcome):
        raise StateError(
            f"What stage {stage} returned", f"is a {type(answer).__name__}, neither a Result nor an Outcome"
        )
    if answer.status != "done":
        why = f"{answer.failure.error}: {answer.failure.message}" if answer.failure else "for no reason that it gives"
        raise WorkError(f"Stage {stage}: its agent's outcome is {answer.status}, {why}.")
    return answer.result if answer.result is not None else answer.model_dump(mode="json", exclude_defaults=True)
