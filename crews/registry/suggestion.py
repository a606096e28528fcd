"""Suggestions: ways from one capability to another, by agents that can hand data to each other."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pydantic import BaseModel, ConfigDict

from core.errors import InputError
from crews.registry.registry import Registry

# Agents in a suggestion, and suggestions, at most.
LONGEST = 6
MOST = 10


class Suggestion(BaseModel):
    """A way: agents one after the other, each of which takes what the one before gives; none comes twice."""

    model_config = ConfigDict(frozen=True)

    agents: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.agents)


def suggest(registry: Registry, first: str, last: str, *, longest: int = LONGEST, most: int = MOST) -> list[Suggestion]:
    """Ways from an agent with the capability `first` to one with `last`, of up to `longest` agents: the shortest
    first, those of one length in the order of their ids, at most `most` of them.

    If there is a way of that length, one is found. Raises InputError for a capability that nobody has, and if there is
    no way.
    """
    starts = [one.id for one in registry.with_capability(first)]
    ends = {one.id for one in registry.with_capability(last)}
    after = {one.id: [other.id for other in registry.consumers(one.output)] for one in registry.all()}
    left = _distances(after, ends)
    ways = (
        way
        for length in range(1, longest + 1)
        for start in starts
        for way in _ways(after, left, ends, (start,), length)
    )
    found = [Suggestion(agents=way) for way in islice(ways, most)]
    if not found:
        raise InputError(
            f"No way of up to {longest} agents leads from {first} to {last}.",
            remedy="Register an agent that takes what the one gives, and gives what the other takes.",
        )
    return found


def _distances(after: Mapping[str, Sequence[str]], ends: set[str]) -> dict[str, int]:
    """From each agent, how many agents the shortest way to an end has, itself counted; without those that have none."""
    before: dict[str, list[str]] = {}
    for one, others in after.items():
        for other in others:
            before.setdefault(other, []).append(one)
    distances, frontier = dict.fromkeys(ends, 1), sorted(ends)
    for agent in frontier:
        for one in before.get(agent, ()):
            if one not in distances:
                distances[one] = distances[agent] + 1
                frontier.append(one)
    return distances


def _ways(
    after: Mapping[str, Sequence[str]], left: Mapping[str, int], ends: set[str], way: tuple[str, ...], length: int
) -> Iterator[tuple[str, ...]]:
    """The ways of exactly so many agents that begin with these."""
    room = length - len(way)
    if room == 0 and way[-1] in ends:
        yield way
    for other in after[way[-1]] if room else ():
        if other not in way and left.get(other, length) <= room:
            yield from _ways(after, left, ends, (*way, other), length)
