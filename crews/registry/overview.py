"""All agents at a glance: those that are registered, and those that are made at run time, as measured."""

from pydantic import BaseModel, ConfigDict

from core.store import Database
from crews.dynamic.creation import Creation, creations
from crews.registry.definition import AgentDefinition
from crews.registry.registry import Registry
from crews.registry.selection import Standing, standings


class Registered(BaseModel):
    """A definition, and what was measured of its agent."""

    model_config = ConfigDict(frozen=True)

    definition: AgentDefinition
    standing: Standing


class Overview(BaseModel):
    """`notes` say what was left out, and what cannot be used: an agent whose input nobody produces, say."""

    model_config = ConfigDict(frozen=True)

    agents: list[Registered]
    made: list[Creation]
    notes: list[str]


def overview(database: Database, registry: Registry) -> Overview:
    """All agents of the registry, in the order of their ids, and the templates of those that are made at run time."""
    definitions = registry.all()
    known = standings(database, [definition.id for definition in definitions])
    notes = [
        f"{one.id} takes {one.input}, which no agent produces: it can only come first"
        for one in definitions
        if one.input.form not in ("files", "stream") and not any(other.output.fits(one.input) for other in definitions)
    ]
    return Overview(
        agents=[Registered(definition=one, standing=known[one.id]) for one in definitions],
        made=creations(database),
        notes=[*registry.notes, *notes],
    )
