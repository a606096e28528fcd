"""The registry of agents: defined, found, chosen, made into pipelines."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from crews.registry.assembly import Plan, assemble
    from crews.registry.definition import AgentDefinition, Capability, DataSchema, load_definitions
    from crews.registry.job import DataAgent, Job
    from crews.registry.registry import Registry, default_registry
    from crews.registry.selection import Score, Standing, ranked, standings
    from crews.registry.suggestion import Suggestion, suggest

# The engine takes a second to import, which nobody needs who only looks at definitions.
_HOMES = {
    "AgentDefinition": "crews.registry.definition",
    "Capability": "crews.registry.definition",
    "DataAgent": "crews.registry.job",
    "DataSchema": "crews.registry.definition",
    "Job": "crews.registry.job",
    "Plan": "crews.registry.assembly",
    "Registry": "crews.registry.registry",
    "Score": "crews.registry.selection",
    "Standing": "crews.registry.selection",
    "Suggestion": "crews.registry.suggestion",
    "assemble": "crews.registry.assembly",
    "default_registry": "crews.registry.registry",
    "load_definitions": "crews.registry.definition",
    "ranked": "crews.registry.selection",
    "standings": "crews.registry.selection",
    "suggest": "crews.registry.suggestion",
}

__all__ = [
    "AgentDefinition",
    "Capability",
    "DataAgent",
    "DataSchema",
    "Job",
    "Plan",
    "Registry",
    "Score",
    "Standing",
    "Suggestion",
    "assemble",
    "default_registry",
    "load_definitions",
    "ranked",
    "standings",
    "suggest",
]

__getattr__ = face(__name__, _HOMES)
