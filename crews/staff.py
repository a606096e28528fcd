"""The staff: the agents that the stages of runs can be given to."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from core.errors import InputError, Refused
from crews.agents import AGENTS, Agent
from crews.registry.instantiation import allowed_modules, check_allowed

# Entry points of this group name an Agent, several, or a function that returns several.
GROUP = "crewline.staff"


class Staff(NamedTuple):
    """The agents by id; and of packages whose agents were left out, by the name of their entry point, why."""

    agents: dict[str, Agent]
    left_out: dict[str, str]


def staff(more: Iterable[Agent] = ()) -> Staff:
    """The built-in agents, those of installed packages whose modules are allowed (CREWLINE_AGENT_MODULES), and `more`.

    Raises InputError for two agents of one id, and for a package that offers what is no agent.
    """
    found = Staff(dict(AGENTS), {})
    allowed = allowed_modules()
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            check_allowed(entry.module, allowed, whose=entry.name)
        except Refused as refused:
            found.left_out[entry.name] = refused.reason
            continue
        for agent in _offered(entry):
            _take_on(found, agent)
    for agent in more:
        _take_on(found, agent)
    return found


def _take_on(found: Staff, agent: Any) -> None:
    lacking = [name for name in ("id", "stages", "profile", "perform") if not hasattr(agent, name)]
    if lacking:
        raise InputError(
            f"{agent!r} is no agent: it has no {', '.join(lacking)}.", remedy="See crews.Agent for what one has."
        )
    if found.agents.get(agent.id, agent) is not agent:
        raise InputError(f"There are two agents {agent.id}.", remedy="Give each an id of its own.")
    found.agents[agent.id] = agent


def _offered(entry: EntryPoint) -> list[Any]:
    try:
        offered = entry.load()
        found = offered() if callable(offered) else offered
        return [found] if hasattr(found, "perform") else list(found)
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(
            f"The agents of {entry.value} cannot be loaded: {error}.", remedy="Mend or remove the package."
        ) from error
