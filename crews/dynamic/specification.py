"""Specifications of agents: which are needed for a queue of tasks, and what each is given (systems C5)."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import psutil
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InputError
from crews.dynamic.parameters import parameters_of
from crews.dynamic.template import TEMPLATES, Resources, Template

# Tasks that one agent has at a time (systems C5).
CONCURRENT = 3

# How often a branch is tried again that failed (systems C5).
RETRIES = 3

# With more kinds of tasks than this, somebody has to bring together what they find (systems G2).
UNCOORDINATED = 2

# What is thought of a template that has no record yet.
_UNKNOWN = 0.5


class AgentSpec(BaseModel):
    """An agent to be made: plain data, which a state can hold; who makes agents of it is another matter.

    `score` is what its template was chosen by, `reason` says so in words.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    template: str
    kinds: tuple[str, ...]
    resources: Resources = Resources()
    concurrent_tasks: int = CONCURRENT
    timeout_s: float = 300.0
    retries: int = RETRIES
    quality: float = 0.8
    parameters: dict[str, Any] = {}
    score: float
    reason: str


class Requirement(BaseModel):
    """What tasks of a kind require of whoever does them: resources, seconds that a try may take, what results should be
    worth. What is left out is as the template has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: str = Field(min_length=1)
    resources: Resources | None = None
    timeout_s: float | None = Field(default=None, gt=0)
    quality: float | None = Field(default=None, ge=0, le=1)


class Specifier(Protocol):
    """Works out which agents a queue of tasks needs."""

    def specify(self, kinds: Sequence[str]) -> list[AgentSpec]:
        """Agents that can perform tasks of all these kinds, one entry for each task.

        Raises InputError for a kind that nobody could perform.
        """
        ...


class TemplateSpecifier:
    """Agents by templates. `record` has each template's share of attempts that were done, as far as known, and
    `parameters` what its agents are told, where that is not as the template has it. `requirements` are of tasks: an
    agent for several kinds gets what the most demanding of them requires.

    Raises InputError for wrong parameters, and for a kind that is required of twice.
    """

    def __init__(
        self,
        templates: Mapping[str, Template] = TEMPLATES,
        record: Mapping[str, float] | None = None,
        *,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        requirements: Sequence[Requirement] = (),
    ) -> None:
        self._record = record or {}
        self._required = {requirement.kind: requirement for requirement in requirements}
        if len(self._required) < len(requirements):
            raise InputError("There are two requirements of one kind of tasks.", remedy="Give one for each kind.")
        given = parameters or {}
        if unknown := sorted(given.keys() - templates.keys()):
            raise InputError(
                f"There is no template {', '.join(unknown)}.", remedy=f"There are: {', '.join(sorted(templates))}."
            )
        told = {name: parameters_of(name, {**templates[name].parameters, **of}) for name, of in given.items()}
        self._templates = {
            name: template.model_copy(update={"parameters": told[name]}) if name in told else template
            for name, template in templates.items()
        }

    def specify(self, kinds: Sequence[str]) -> list[AgentSpec]:
        """For each kind the best template; of each as many agents as its tasks ask for and the cores bear.

        The best is by `0.4 capability match + 0.4 success rate + 0.2 resource efficiency` (systems C5), then by name.
        More than two kinds add a coordinator.
        """
        needed = Counter(kinds)
        chosen: dict[str, list[str]] = {}
        for kind in sorted(needed):
            chosen.setdefault(self._best(kind).name, []).append(kind)
        if len(needed) > UNCOORDINATED and "coordination" in self._templates:
            chosen.setdefault("coordination", []).append("coordination")
        cores = psutil.cpu_count() or 1
        specs = []
        for name, served in sorted(chosen.items()):
            tasks = sum(needed[kind] for kind in served)
            agents = max(1, min(math.ceil(tasks / CONCURRENT), cores))
            specs += [self._spec(self._templates[name], number, tuple(served)) for number in range(1, agents + 1)]
        return specs

    def _best(self, kind: str) -> Template:
        able = [template for template in self._templates.values() if template.match(kind) > 0]
        if not able:
            known = sorted({c for template in self._templates.values() for c in template.capabilities})
            raise InputError(
                f"No template of an agent performs {kind}; there are: {', '.join(known)}.",
                remedy="Correct the kind, or add a template.",
            )
        return max(sorted(able, key=lambda template: template.name), key=lambda template: self._score(template, kind))

    def _score(self, template: Template, kind: str) -> float:
        memory = psutil.virtual_memory().total / 2**20
        spared = 1 - (template.resources.cores / (psutil.cpu_count() or 1) + template.resources.memory_mb / memory) / 2
        success = self._record.get(template.name, _UNKNOWN)
        return 0.4 * template.match(kind) + 0.4 * success + 0.2 * max(0.0, spared)

    def _spec(self, template: Template, number: int, kinds: tuple[str, ...]) -> AgentSpec:
        score = max(self._score(template, kind) for kind in kinds)
        success = self._record.get(template.name)
        record = "no record yet" if success is None else f"{success:.0%} of its attempts done"
        required = [self._required[kind] for kind in kinds if kind in self._required]
        resources = [one.resources for one in required if one.resources] or [template.resources]
        told = parameters_of(template.name, template.parameters)
        times = [one.timeout_s for one in required if one.timeout_s] or [told["time_s"]]
        qualities = [one.quality for one in required if one.quality is not None] or [told["quality"]]
        told |= {"time_s": max(times), "quality": max(qualities)}
        return AgentSpec(
            id=f"{template.name}_{number}",
            template=template.name,
            kinds=kinds,
            resources=Resources(
                cores=max(one.cores for one in resources), memory_mb=max(one.memory_mb for one in resources)
            ),
            timeout_s=told["time_s"],
            quality=told["quality"],
            parameters=told,
            score=round(score, 4),
            reason=f"performs {', '.join(kinds)}; {record}",
        )
