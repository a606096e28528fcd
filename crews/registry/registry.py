"""The registry: which agents there are, found by what they can do, and by what they take and give (systems C4)."""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from core.errors import InputError, Refused
from crews.registry.definition import AgentDefinition, Capability, DataSchema, load_definitions
from crews.registry.instantiation import allowed_modules, check_allowed, instantiate
from crews.registry.job import DataAgent

# Entry points of this group name a definition, several, or a function that returns several.
GROUP = "crewline.agents"

_OWN = Path(__file__).parent / "builtin" / "agents.yaml"


class Registry:
    """Definitions of agents, indexed. What it answers does not depend on the order in which they came: all lists are
    in the order of ids.

    `modules` may be imported from besides those of the settings. `notes` say which definitions of installed packages
    were left out, and why.
    """

    def __init__(self, definitions: Iterable[AgentDefinition] = (), *, modules: Iterable[str] = ()) -> None:
        self.modules = allowed_modules(modules)
        self.notes: list[str] = []
        self._definitions: dict[str, AgentDefinition] = {}
        self._by_capability: dict[Capability, set[str]] = {}
        self._taking: dict[str, set[str]] = {}
        self._giving: dict[str, set[str]] = {}
        for definition in definitions:
            self.register(definition)

    def register(self, definition: AgentDefinition) -> None:
        """Put a definition into the registry; harmless to do twice. Raises InputError for two of one id."""
        known = self._definitions.get(definition.id)
        if known is not None and known != definition:
            raise InputError(
                f"There are two agents {definition.id}: {known.place} and {definition.place}.",
                remedy="Give each an id of its own.",
            )
        self._definitions[definition.id] = definition
        for capability in definition.capabilities:
            self._by_capability.setdefault(capability, set()).add(definition.id)
        self._taking.setdefault(definition.input.form, set()).add(definition.id)
        self._giving.setdefault(definition.output.form, set()).add(definition.id)

    def __len__(self) -> int:
        return len(self._definitions)

    def all(self) -> list[AgentDefinition]:
        """All definitions."""
        return self._those(self._definitions)

    def get(self, agent: str) -> AgentDefinition:
        """The definition of this id. Raises InputError, with the ids that there are."""
        if agent not in self._definitions:
            raise InputError(
                f"There is no agent '{agent}'.", remedy=f"There are: {', '.join(sorted(self._definitions)) or 'none'}."
            )
        return self._definitions[agent]

    def with_capability(self, capability: str) -> list[AgentDefinition]:
        """Who can do this. Raises InputError for what is no capability, and for one that nobody has."""
        known = _capability(capability)
        if not (found := self._by_capability.get(known)):
            there = ", ".join(sorted(self._by_capability)) or "none"
            raise InputError(
                f"No agent has the capability {known}.", remedy=f"Register one; there are agents for: {there}."
            )
        return self._those(found)

    def producers(self, schema: DataSchema | str) -> list[AgentDefinition]:
        """Who gives what can be taken as this. Raises InputError if nobody does."""
        needed = DataSchema.model_validate(schema)
        found = [one for one in self._those(self._giving.get(needed.form, ())) if one.output.fits(needed)]
        if not found:
            there = ", ".join(sorted({str(one.output) for one in self.all()})) or "nothing"
            raise InputError(f"Nobody produces {needed}.", remedy=f"What agents produce: {there}.")
        return found

    def consumers(self, schema: DataSchema | str) -> list[AgentDefinition]:
        """Who takes data like this; nobody, perhaps."""
        given = DataSchema.model_validate(schema)
        return [one for one in self._those(self._taking.get(given.form, ())) if given.fits(one.input)]

    def instantiate(self, agent: str, overrides: Mapping[str, Any] | None = None) -> DataAgent:
        """The agent of this id. Raises InputError, and Refused for a module that is not allowed; see `instantiate`."""
        return instantiate(self.get(agent), overrides, allowed=self.modules)

    def _those(self, ids: Iterable[str]) -> list[AgentDefinition]:
        return [self._definitions[one] for one in sorted(ids)]


def default_registry(documents: Iterable[str | Path] = (), *, modules: Iterable[str] = ()) -> Registry:
    """Crewline's own agents, those of installed packages, and those of YAML documents.

    A package offers agents by an entry point of the group `crewline.agents`. One whose module is not allowed is not
    loaded, and noted. Raises SpecError for a wrong document, InputError for two agents of one id.
    """
    registry = Registry(load_definitions(_OWN), modules=modules)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            check_allowed(entry.module, registry.modules, whose=entry.name)
        except Refused as refused:
            registry.notes.append(f"the agents of {entry.value} are left out: {refused.reason}")
            continue
        for definition in _offered(entry):
            registry.register(definition)
    for document in documents:
        for definition in load_definitions(document):
            registry.register(definition)
    return registry


def _capability(name: str) -> Capability:
    try:
        return Capability(name)
    except ValueError as error:
        raise InputError(f"'{name}' is no capability.", remedy=f"There are: {', '.join(Capability)}.") from error


def _offered(entry: EntryPoint) -> list[AgentDefinition]:
    try:
        offered = entry.load()
        found = offered() if callable(offered) else offered
        definitions = [found] if isinstance(found, AgentDefinition) else list(found)
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(
            f"The agents of {entry.value} cannot be loaded: {error}.", remedy="Mend or remove the package."
        ) from error
    if wrong := [one for one in definitions if not isinstance(one, AgentDefinition)]:
        raise InputError(
            f"{entry.value} offers {json.dumps(wrong[0], default=repr)[:100]}, which is no AgentDefinition.",
            remedy="Mend or remove the package.",
        )
    return definitions
