"""Assembly: from capabilities one after the other to agents that can hand data to each other. A plan is plain data."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.errors import InputError
from crews.registry.definition import AgentDefinition, Capability
from crews.registry.registry import Registry
from crews.registry.selection import Score, Standing, ranked


class PlannedStage(BaseModel):
    """A stage of a pipeline: the agent that does it, as it is defined, with what its configuration is to have besides.

    `score` is what it was chosen by, `others` those of the agents that could do it too, the best first.
    """

    model_config = ConfigDict(frozen=True)

    capability: Capability
    agent: AgentDefinition
    overrides: dict[str, Any] = {}
    score: Score
    others: tuple[Score, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What has to be given before it can be run."""
        return self.agent.missing(self.overrides)


class Plan(BaseModel):
    """A pipeline that was assembled."""

    model_config = ConfigDict(frozen=True)

    stages: tuple[PlannedStage, ...]

    def check_complete(self) -> None:
        """Raise InputError unless everything is given that its agents need."""
        wanting = [f"{s.agent.id} needs {', '.join(s.missing)}" for s in self.stages if s.missing]
        if wanting:
            first = next(stage for stage in self.stages if stage.missing)
            raise InputError(
                f"The pipeline cannot be run yet: {'; '.join(wanting)}.",
                remedy=f"Give {first.capability}.{first.missing[0]} in the configuration.",
            )


def assemble(
    registry: Registry,
    capabilities: Sequence[str],
    *,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    standings: Mapping[str, Standing] | None = None,
) -> Plan:
    """A pipeline of these capabilities, in order, at least two. `overrides` has configuration by capability or agent.

    Of all agents that have the capabilities, and each of which takes what the one before gives, those are chosen that
    have everything they need, as far as can be, and then the greatest sum of scores (see Score); of equals, the first
    by their ids. An agent that is configured by its id is preferred to those that are not, whatever its score.

    Raises InputError for fewer than two, a capability that nobody has, one whose agents take nothing that the one
    before gives, or overrides for nobody.
    """
    if len(capabilities) < 2:
        raise InputError("A pipeline is assembled of at least two capabilities.", remedy="Name another one.")
    given = overrides or {}
    layers = [_layer(registry, name, given, standings or {}) for name in capabilities]
    _check_overrides(given, capabilities, layers)
    chosen = _best(registry, capabilities, layers)
    return Plan(stages=tuple(_stage(layer, choice) for layer, choice in zip(layers, chosen, strict=True)))


class _Candidate(BaseModel):
    """Somebody who could do a stage. `worth` is what is added up: what it has of what it needs, then its score."""

    agent: AgentDefinition
    capability: Capability
    overrides: dict[str, Any]
    score: Score

    @property
    def worth(self) -> tuple[int, float]:
        return (-len(self.agent.missing(self.overrides)), self.score.total)


def _layer(
    registry: Registry, name: str, given: Mapping[str, Mapping[str, Any]], standings: Mapping[str, Standing]
) -> list[_Candidate]:
    able = registry.with_capability(name)
    able = [one for one in able if one.id in given] or able
    capability = Capability(name)
    by_id = {one.id: one for one in able}
    return [
        _Candidate(
            agent=by_id[score.agent],
            capability=capability,
            overrides={**given.get(name, {}), **given.get(score.agent, {})},
            score=score,
        )
        for score in ranked(able, capability, standings)
    ]


def _best(registry: Registry, names: Sequence[str], layers: Sequence[Sequence[_Candidate]]) -> list[_Candidate]:
    """The chain of the greatest worth, one candidate of each layer, by dynamic programming over the layers."""
    # For each agent of a layer: the worth of the best chain that ends with it, and the chain.
    chains = {one.agent.id: (one.worth, [one]) for one in layers[0]}
    for index, layer in enumerate(layers[1:], start=1):
        longer: dict[str, tuple[tuple[int, float], list[_Candidate]]] = {}
        for one in layer:
            fitting = [chain for chain in chains.values() if chain[1][-1].agent.output.fits(one.agent.input)]
            if fitting:
                (needs, total), chain = min(fitting, key=_order)
                longer[one.agent.id] = ((needs + one.worth[0], total + one.worth[1]), [*chain, one])
        if not longer:
            raise _no_way(registry, names, index, [chain[-1].agent for _, chain in chains.values()], layer)
        chains = longer
    return min(chains.values(), key=_order)[1]


def _order(chain: tuple[tuple[int, float], list[_Candidate]]) -> tuple[int, float, tuple[str, ...]]:
    # Sums of floats differ in the last bits by the order in which they are added.
    (needs, total), candidates = chain
    return (-needs, -round(total, 9), tuple(one.agent.id for one in candidates))


def _no_way(
    registry: Registry,
    names: Sequence[str],
    index: int,
    givers: Sequence[AgentDefinition],
    takers: Sequence[_Candidate],
) -> InputError:
    gives = ", ".join(sorted({f"{one.id} gives {one.output}" for one in givers}))
    takes = ", ".join(sorted({f"{one.agent.id} takes {one.agent.input}" for one in takers}))
    unmade = sorted(
        str(one.agent.input) for one in takers if not any(a.output.fits(one.agent.input) for a in registry.all())
    )
    nobody = f" Nobody at all produces {', '.join(dict.fromkeys(unmade))}." if unmade else ""
    return InputError(
        f"{names[index]} cannot come after {names[index - 1]}: {gives}; {takes}.{nobody}",
        remedy="Put a capability between them, or change their order.",
    )


def _stage(layer: Sequence[_Candidate], chosen: _Candidate) -> PlannedStage:
    return PlannedStage(
        capability=chosen.capability,
        agent=chosen.agent,
        overrides=chosen.overrides,
        score=chosen.score,
        others=tuple(one.score for one in layer if one is not chosen),
    )


def _check_overrides(
    given: Mapping[str, Any], capabilities: Sequence[str], layers: Sequence[Sequence[_Candidate]]
) -> None:
    known = {*capabilities, *(one.agent.id for layer in layers for one in layer)}
    if unknown := sorted(given.keys() - known):
        raise InputError(
            f"{', '.join(unknown)}: no stage of this pipeline is called so.",
            remedy=f"Configure {', '.join(sorted(known))}.",
        )
