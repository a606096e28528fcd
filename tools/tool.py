"""Tool: what all tools have in common when an agent calls them.

An agent gets JSON text back whatever happens: the answer, or `{"error": {"kind", "message"}}`, in which the message
says what was wrong and what to do. What the context refuses is on record in the journal.
"""

import contextvars
import json
import os
import threading
from abc import abstractmethod
from concurrent.futures import Future, wait
from typing import Any

from core.telemetry import quiet

os.environ.update(quiet())

from crewai.tools import BaseTool
from crewai.types.callback import SerializableCallable
from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from core import journal
from core.errors import CrewlineError, Interrupted, Refused
from core.store import Database, open_database
from tools.arguments import problems
from tools.context import ToolContext

# A model reads all of it each time, characters.
_MAX_MESSAGE = 1000
# How long a call whose time is over may take to clean up, before its agent gets an answer without it.
_PATIENCE_S = 3.0


def _never(arguments: Any = None, result: Any = None) -> bool:
    return False


class Tool(BaseTool):
    """A CrewAI tool that works within a ToolContext. Subclasses set `name`, `description`, `args_schema`, and `act`."""

    context: ToolContext = Field(default_factory=ToolContext)
    # What a tool found may be otherwise the next time, and what it did must not be taken for done again.
    cache_function: SerializableCallable = _never

    _database: Database | None = PrivateAttr(default=None)
    _opening: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @abstractmethod
    def act(self, request: Any) -> BaseModel:
        """Do what the validated arguments ask for. Raises CrewlineError."""

    def answer(self, arguments: dict[str, Any]) -> str:
        """Do what the arguments ask for, and return JSON: the answer, or what was wrong."""
        try:
            request = self.args_schema.model_validate(arguments)
        except ValidationError as error:
            return _failure("InvalidArguments", problems(error))
        except RecursionError:
            return _failure("InvalidArguments", "the arguments are nested too deeply")
        try:
            return self._in_time(request).model_dump_json()
        except RecursionError:
            return _failure("InvalidArguments", "they ask for more steps than fit into one expression; ask for fewer")
        except Refused as error:
            try:
                self._record(error)
            except CrewlineError as unrecorded:
                return _failure(type(unrecorded).__name__, f"{error} It could not be put on record: {unrecorded}")
            return _failure("Refused", str(error))
        except CrewlineError as error:
            return failure(error)

    def database(self) -> Database:
        """Crewline's database, opened when it is first needed. `close` gives it back."""
        with self._opening:
            if self._database is None:
                self._database = open_database()
            return self._database

    def close(self) -> None:
        """Give back the database, if it was opened. The tool can be used again."""
        with self._opening:
            if self._database is not None:
                self._database.close()
                self._database = None

    # Nothing that an argument is called may get in the way of `self`.
    def _run(self, /, *values: Any, **arguments: Any) -> str:
        if len(values) > len(self.args_schema.model_fields):
            return _failure(
                "InvalidArguments", f"{len(values)} values for {len(self.args_schema.model_fields)} arguments"
            )
        return self.answer({**dict(zip(self.args_schema.model_fields, values, strict=False)), **arguments})

    def _in_time(self, request: Any) -> BaseModel:
        """What `act` answers, in a thread of its own: what does not notice that its time is over is not waited for."""
        answer: Future[BaseModel] = Future()

        def work() -> None:
            try:
                answer.set_result(self.act(request))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                answer.set_exception(error)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name=self.name, daemon=True)
        thread.start()
        wait([answer], self.context.timeout_s + _PATIENCE_S)
        if not answer.done():
            raise Interrupted(
                f"Stopped: a call may take {self.context.timeout_s:g} s, and this one is still ending.",
                remedy="Look what became of it before trying again; ask for less.",
            )
        return answer.result()

    async def _arun(self, /, *values: Any, **arguments: Any) -> str:
        import asyncio

        return await asyncio.to_thread(self._run, *values, **arguments)

    def _validate_kwargs(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        # CrewAI would validate here, and tell the model of a wrong argument with the whole schema; `_run` validates,
        # however it is called, and tells it in a line.
        return kwargs

    def _record(self, refusal: Refused) -> None:
        context = self.context
        event = journal.Event(
            run_id=None,
            kind="tool.refused",
            actor=context.agent,
            data={"tool": self.name, "reason": refusal.reason, "pipeline": context.pipeline, "task": context.task},
        )
        self.database().transaction(lambda connection: journal.write(connection, event))


def failed(text: str) -> bool:
    """Whether what a tool gave back is an error."""
    return text.startswith('{"error": ')


def failure(error: CrewlineError) -> str:
    """An error as a tool gives it back."""
    return _failure(type(error).__name__, str(error))


def _failure(kind: str, message: str) -> str:
    if len(message) > _MAX_MESSAGE:
        # What was wrong stands first, and what to do last; between them what the agent itself had given.
        message = f"{message[: _MAX_MESSAGE // 2]} ... {message[-_MAX_MESSAGE // 2 :]}"
    return json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False)
