"""The staff: the agents that stages can be given to."""

from collections.abc import Iterable

from core.errors import InputError
from crews.agents import AGENTS, Agent


def staff(more: Iterable[Agent] = ()) -> dict[str, Agent]:
    """The built-in agents and `more`, by id. Raises InputError for two of one id."""
    found = dict(AGENTS)
    for agent in more:
        if found.get(agent.id, agent) is not agent:
            raise InputError(f"There are two agents {agent.id}.", remedy="Give each an id of its own.")
        found[agent.id] = agent
    return found
