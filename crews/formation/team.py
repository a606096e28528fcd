"""Team: who is in it as what, what it is worth, and why no other was taken."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from crews.analysis import TaskAnalysis
from crews.skills import Need


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Member(_Told):
    """An agent of a team. `role`: the lead covers most needs, a specialist covers some, who supports covers none that
    another does not cover better. `covers` are the needs that are its own, by name; `fits` has how well it could cover
    each that it can."""

    agent: str
    role: Literal["lead", "specialist", "support"]
    covers: tuple[str, ...]
    fits: dict[str, float]
    performance: float
    collaboration: float
    capacity: float
    throughput: float
    measured: int


class RunnerUp(_Told):
    """Another team that was considered. `behind` is how much less it is worth, `why` what makes the difference."""

    agents: tuple[str, ...]
    score: float
    components: dict[str, float]
    behind: float
    why: str


class Configuration(_Told):
    """How the team works: who leads, who has which need (the best first), and how many tasks it may have now."""

    lead: str
    owners: dict[str, tuple[str, ...]]
    free: int


class Formation(_Told):
    """How the team was found.

    `method` is `exhaustive` where all teams were looked at, else `search`; `proven` says that there is no better one,
    and `gap` by what share of its score a better one could be better at most. `pool` are the candidates, `able` those
    who can cover a need and have capacity, `considered` the teams that were looked at. `left_out` says of the first
    of the others why they could not be in it.
    """

    method: Literal["exhaustive", "search"]
    proven: bool
    gap: float
    pool: int
    able: int
    considered: int
    left_out: dict[str, str]
    weights: dict[str, float]
    runners_up: tuple[RunnerUp, ...]


class Team(_Told):
    """A team for some needs. `score` is the sum of the `components`, each from 0 to 1, by the formation's weights.
    `analysis` is there where the needs were worked out from a description."""

    members: tuple[Member, ...]
    needs: tuple[Need, ...]
    score: float
    components: dict[str, float]
    configuration: Configuration
    formation: Formation
    analysis: TaskAnalysis | None = None

    @property
    def agents(self) -> tuple[str, ...]:
        """Who is in the team, in the order of their ids."""
        return tuple(member.agent for member in self.members)

    @property
    def reason(self) -> str:
        """Why it was chosen, in a sentence: its scores, and by what it is before the next."""
        how = self.formation
        scores = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in self.components.items())
        teams = f"{how.considered:,} team{'s' * (how.considered != 1)} considered"
        told = f"worth {self.score:.4f} ({scores}), of {teams}"
        if not how.runners_up:
            return f"{told}: no other covers all needs"
        other = how.runners_up[0]
        return f"{told}; next, {', '.join(other.agents)} behind by {other.behind:.4f}: {other.why}"

    def without(self, left_out: Mapping[str, str]) -> "Team":
        """The team, with more of whom it was formed without, and why."""
        formation = self.formation.model_copy(update={"left_out": {**self.formation.left_out, **left_out}})
        return self.model_copy(update={"formation": formation})
