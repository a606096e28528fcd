"""Candidates: agents as formation sees them, each with what it states and what was measured of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.store.database import Database
from crews.history import Record, records
from crews.skills import Need, Profile
from delegation.card import CAPACITY
from delegation.load import Load, Loads
from delegation.workload import Workload

# What is thought of an agent of which nothing was measured.
UNMEASURED = 0.5

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Candidate(BaseModel):
    """An agent that could be in a team. All shares go from 0 to 1, the more the better.

    `performs` has the names of the needs that it can do at all; None, if its skills alone decide that. `free` is how
    many more tasks it may have now. A `capacity` of 0 has who is busy or not available.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str = Field(min_length=1)
    profile: Profile
    performance: _Share = UNMEASURED
    collaboration: _Share = 0.8
    capacity: _Share = 1.0
    throughput: _Share = UNMEASURED
    free: int = Field(default=CAPACITY, ge=0)
    measured: int = Field(default=0, ge=0, description="Tasks that its performance was measured by.")
    performs: frozenset[str] | None = None

    def fit(self, need: Need) -> float:
        """How well it covers the need (see Profile.fit); 0, if it cannot."""
        if self.performs is not None and need.called not in self.performs:
            return 0.0
        return self.profile.fit(need.skill, need.level)


def candidates(
    database: Database,
    profiles: Mapping[str, Profile],
    *,
    performs: Mapping[str, Iterable[str]] | None = None,
    loads: Loads | None = None,
    factor: Callable[[str], float] = lambda agent: 1.0,
) -> list[Candidate]:
    """The agents with these profiles, with what the store knows of them now; in the order of their ids.

    `performs` limits agents to needs by name. `loads` are read from the workload, if not given. `factor` is what an
    agent's performance counts for in this team, 0 to 1.
    """
    known = Workload(database).loads(sorted(profiles)) if loads is None else loads
    measured = records(database, profiles)
    found = [
        _candidate(each, profiles[each.agent], known.get(each.agent), performs.get(each.agent) if performs else None)
        for each in (measured[agent] for agent in sorted(profiles))
    ]
    return [each.model_copy(update={"performance": each.performance * factor(each.agent)}) for each in found]


def _candidate(record: Record, profile: Profile, load: Load | None, performs: Iterable[str] | None) -> Candidate:
    free = load.free if load else CAPACITY
    return Candidate(
        agent=record.agent,
        profile=profile,
        performance=moved(UNMEASURED, record.worths, profile.learning_rate),
        collaboration=moved(profile.collaboration, record.runs, profile.learning_rate),
        capacity=profile.availability * (free / load.capacity if load and load.capacity else bool(free)),
        throughput=throughput(record),
        free=free,
        measured=record.tasks,
        performs=None if performs is None else frozenset(performs),
    )


def moved(start: float, measured: Iterable[float], rate: float) -> float:
    """What is thought of something, from `start` on moved by the rate's share towards each measurement in turn."""
    for value in measured:
        start += rate * (value - start)
    return start


def throughput(record: Record) -> float:
    """How fast the agent is for its kinds of tasks: the mean over the kinds that others do too of r / (1 + r), where r
    is its throughput over that of all; 0.5 for one as fast as all, and for one who was not measured beside others."""
    ratios = [1 + more for more in record.specialisation.values()]
    return sum(r / (1 + r) for r in ratios) / len(ratios) if ratios else UNMEASURED
