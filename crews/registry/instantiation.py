"""Agents from their definitions. Nothing is imported that was not allowed before."""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from core.errors import CrewlineError, InputError, Refused
from core.settings import settings
from crews.registry.definition import AgentDefinition, is_within
from crews.registry.job import DataAgent
from tools.arguments import problems

# Where Crewline's own agents are.
BUILT_IN = "crews.registry.builtin"


def allowed_modules(more: Iterable[str] = ()) -> frozenset[str]:
    """The modules that agents may come from: Crewline's own, those of CREWLINE_AGENT_MODULES, and `more`.

    What stands below one of them is allowed too.
    """
    named = settings().agent_modules.split(",")
    return frozenset({BUILT_IN, *filter(None, (name.strip() for name in named)), *more})


def check_allowed(module: str, allowed: Iterable[str], *, whose: str) -> None:
    """Raise Refused for a module that is not allowed, and neither below one that is."""
    modules = sorted(allowed)
    if not any(is_within(module, name) for name in modules):
        raise Refused(
            whose,
            f"its module {module} is not among those that agents may come from ({', '.join(modules)})",
            remedy="If you trust it, add it to CREWLINE_AGENT_MODULES, or to `modules` of the registry.",
        )


def instantiate(
    definition: AgentDefinition, overrides: Mapping[str, Any] | None = None, *, allowed: Iterable[str]
) -> DataAgent:
    """The agent of a definition, configured by it and by `overrides`, which win.

    Raises Refused for a module that is not allowed, which is then not imported; InputError if the module or the class
    is not there, the class is no agent's, or the configuration does not fit it.
    """
    check_allowed(definition.module, allowed, whose=definition.id)
    found = _class(definition)
    configuration = {**definition.configuration, **(overrides or {})}
    if missing := definition.missing(configuration):
        raise InputError(f"{definition.id} needs {', '.join(missing)}.", remedy="Give it in its configuration.")
    try:
        agent: DataAgent = found(**configuration)
    except ValidationError as error:
        raise InputError(
            f"The configuration of {definition.id} is wrong: {problems(error)}.", remedy="Correct it."
        ) from error
    except CrewlineError:
        raise
    except Exception as error:
        # It is another package's class: what it raises for a wrong argument, nobody here can list.
        given = ", ".join(sorted(configuration)) or "no configuration"
        raise InputError(
            f"{definition.place} cannot be made with {given}: {error}.",
            remedy=f"Correct the configuration of {definition.id}.",
        ) from error
    return agent


def _class(definition: AgentDefinition) -> Any:
    try:
        module = importlib.import_module(definition.module)
    except ImportError as error:
        raise InputError(
            f"The module of {definition.id}, {definition.module}, cannot be imported: {error}.",
            remedy="Install its package, or correct `module`.",
        ) from error
    found = getattr(module, definition.class_name, None)
    if found is None:
        raise InputError(
            f"The class of {definition.id} does not exist: {definition.module} has no {definition.class_name}.",
            remedy="Correct `class`.",
        )
    if not isinstance(found, type) or not callable(getattr(found, "perform", None)):
        raise InputError(
            f"{definition.place} is no agent: it is no class with a method `perform(job)`.",
            remedy=f"Name another class for {definition.id}, or give it that method.",
        )
    return found
