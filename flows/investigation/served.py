"""The loop of investigations as LangGraph's own servers run it: `langgraph.json` names the function here."""

import asyncio
import functools
from typing import Any

from langchain_core.runnables import RunnableConfig

from core.llm import configured
from core.settings import settings
from core.store import Database, open_database
from flows.investigation.case import open_case
from flows.investigation.rules import RuleReasoner
from flows.investigation.tools import tools
from graphs.react import ModelReasoner, ReAct
from graphs.react.reasoner import Nobody


async def react(config: RunnableConfig) -> Any:
    """The graph for the run that `configurable.run_id` names; without one, a graph to look at.

    Raises RunNotFound; InputError for a run that cannot be looked into.
    """
    run_id = (config.get("configurable") or {}).get("run_id")
    return await asyncio.to_thread(_react, run_id)


def _react(run_id: str | None) -> Any:
    if run_id is None:
        return ReAct({}, Nobody()).graph()
    case = open_case(_database(), run_id, settings())
    own, llm = tools(case), configured()
    return ReAct(own, RuleReasoner(case), model=ModelReasoner(llm, own) if llm else None).graph()


@functools.cache
def _database() -> Database:
    return open_database()
