"""Formation: the best team for some needs, with the reasons."""

from collections.abc import Sequence

import numpy as np

from core.errors import InputError
from crews.formation.bound import bound
from crews.formation.candidate import Candidate
from crews.formation.exhaustive import FEW, best_of_all
from crews.formation.score import EQUAL, WEIGHTS, Pool, total
from crews.formation.search import best_found, undominated
from crews.formation.team import Configuration, Formation, Member, RunnerUp, Team
from crews.skills import Need

# How many other teams are told of, and how many candidates that could be in none.
RUNNERS_UP = 3
TOLD = 20

# Differences of components that do not show.
_NOTHING = 5e-5


def form(needs: Sequence[Need], candidates: Sequence[Candidate]) -> Team:
    """The best team that covers all needs, by the score of crews.formation.score; the same for the same input, in
    whatever order. Of equal teams the smaller one, then the one whose ids come first.

    With up to `FEW` able candidates all teams are looked at; beyond that a search finds one, and says what share of
    its score a better one could be better at most. Costs no query.

    Who has no capacity left is in the team only for a need that nobody else could cover. Raises InputError without
    needs, for names or ids that stand twice, and for a need that nobody can cover.
    """
    _check(needs, candidates)
    pool = Pool(sorted(candidates, key=lambda candidate: candidate.agent), needs)
    left_out = _left_out(pool)
    _check_covered(pool, left_out)
    able = pool.subset(np.array([i for i, each in enumerate(pool.candidates) if each.agent not in left_out]))
    size = len(able.candidates)
    if size > FEW:
        able = able.subset(undominated(able))
    exhaustive = len(able.candidates) <= FEW
    teams, considered = (best_of_all if exhaustive else best_found)(able, RUNNERS_UP + 1)
    components = able.components(teams[0])
    score = total(components)
    gap = 0.0 if exhaustive else max(0.0, bound(able) / score - 1)
    formation = Formation(
        method="exhaustive" if exhaustive else "search",
        proven=exhaustive or gap <= EQUAL,
        gap=gap,
        pool=len(candidates),
        able=size,
        considered=considered,
        left_out=dict(list(left_out.items())[:TOLD]),
        weights=WEIGHTS,
        runners_up=tuple(_runner_up(able, other, teams[0]) for other in teams[1:]),
    )
    owners = _owners(able, teams[0])
    members = _members(able, teams[0], owners)
    return Team(
        members=members,
        needs=tuple(needs),
        score=score,
        components=components,
        configuration=Configuration(
            lead=next(member.agent for member in members if member.role == "lead"),
            owners=owners,
            free=sum(able.candidates[index].free for index in teams[0]),
        ),
        formation=formation,
    )


def _check(needs: Sequence[Need], candidates: Sequence[Candidate]) -> None:
    if not needs:
        raise InputError("A team is formed for needs, and there are none.", remedy="Say which skills are needed.")
    for what, names in (("needs", [need.called for need in needs]), ("candidates", [c.agent for c in candidates])):
        if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
            raise InputError(
                f"Several {what} are called '{twice[0]}'.",
                remedy="Give each a name of its own; a need of one skill once.",
            )


def _left_out(pool: Pool) -> dict[str, str]:
    """Who can be in no team, and why. Who is busy is missed only where somebody else could cover the same needs."""
    found: dict[str, str] = {}
    free = np.array([each.capacity > 0 for each in pool.candidates], dtype=bool)
    covered = pool.able[free].any(axis=0)
    for candidate, able in zip(pool.candidates, pool.able, strict=True):
        if not able.any():
            found[candidate.agent] = "can cover none of the needs"
        elif candidate.profile.availability == 0:
            found[candidate.agent] = "is not available"
        elif candidate.capacity == 0 and covered[able > 0].all():
            found[candidate.agent] = "has all the tasks that it may have"
    return found


def _check_covered(pool: Pool, left_out: dict[str, str]) -> None:
    for column, need in enumerate(pool.needs):
        able = [each.agent for each, fit in zip(pool.candidates, pool.fit[:, column], strict=True) if fit > 0]
        if all(agent in left_out for agent in able):
            asked = ", ".join(f"{a}, who {left_out[a]}" if a in able else a for a in _names(pool)) or "nobody"
            needed = need.skill if need.called == need.skill else f"{need.called} ({need.skill})"
            raise InputError(
                f"No agent can do {needed}; those who were asked: {asked}.",
                remedy="Register an agent with this skill, or give profiles of your own.",
            )


def _names(pool: Pool) -> list[str]:
    return [candidate.agent for candidate in pool.candidates[:TOLD]]


def _owners(pool: Pool, team: Sequence[int]) -> dict[str, tuple[str, ...]]:
    """For each need the members who can cover it: the best fit first, then who is worth more by itself, then by id."""
    owners = {}
    for column, need in enumerate(pool.needs):
        able = [index for index in team if pool.fit[index, column] > 0]
        able.sort(key=lambda index: (-pool.fit[index, column], -pool.own[index], index))
        owners[need.called] = tuple(pool.candidates[index].agent for index in able)
    return owners


def _members(pool: Pool, team: Sequence[int], owners: dict[str, tuple[str, ...]]) -> tuple[Member, ...]:
    covers = {
        index: tuple(name for name, able in owners.items() if able[0] == pool.candidates[index].agent) for index in team
    }
    lead = min(team, key=lambda index: (-len(covers[index]), -pool.own[index], index))
    members = []
    for index in team:
        candidate = pool.candidates[index]
        members.append(
            Member(
                agent=candidate.agent,
                role="lead" if index == lead else "specialist" if covers[index] else "support",
                covers=covers[index],
                fits={n.called: float(f) for n, f in zip(pool.needs, pool.fit[index], strict=True) if f > 0},
                **candidate.model_dump(include={"performance", "collaboration", "capacity", "throughput", "measured"}),
            )
        )
    return tuple(members)


def _runner_up(pool: Pool, team: Sequence[int], best: Sequence[int]) -> RunnerUp:
    first, components = pool.components(best), pool.components(team)
    behind = max(0.0, total(first) - total(components))
    why = _differences(first, components)
    if behind <= EQUAL:
        why = f"as good, with {'more members' if len(team) > len(best) else 'ids that come later'}{why and f' ({why})'}"
    return RunnerUp(
        agents=tuple(pool.candidates[index].agent for index in team),
        score=total(components),
        components=components,
        behind=behind,
        why=why or "differences that do not show",
    )


def _differences(best: dict[str, float], other: dict[str, float]) -> str:
    """The components in which it differs, as they count, the largest loss first."""
    differences = {name: weight * (other[name] - best[name]) for name, weight in WEIGHTS.items()}
    shown = sorted((value, name) for name, value in differences.items() if abs(value) >= _NOTHING)
    return ", ".join(f"{name.replace('_', ' ')} {value:+.4f}" for value, name in shown)
