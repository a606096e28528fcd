"""Teams: who is best for a task, by what agents state and what they were measured to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from crews import Profile, Team


def form_team(description: str, *, profiles: str | Path | Mapping[str, Profile] | None = None) -> Team:
    """The best team for a task, with the score of each component and the runners-up; its `analysis` says what the task
    was taken to need.

    `profiles` are the agents to choose from, by id, or the path of a YAML document with them; without any, all that
    are installed here: the staff of runs, and registered agents with a profile. What the task needs is worked out by
    rules, or by the model that is configured. Raises InputError for a description that says nothing, and for a need
    that nobody can cover; SpecError for profiles that cannot be.
    """
    from core.llm import configured
    from crews import analyze, candidates, form, load_profiles
    from crews.registry import default_registry
    from crews.staff import staff

    left_out: dict[str, str] = {}
    if profiles is None:
        agents, left_out = staff()
        registered = {one.id: one.profile for one in default_registry().all() if one.profile}
        chosen = {**registered, **{agent.id: agent.profile for agent in agents.values()}}
    else:
        chosen = dict(profiles) if isinstance(profiles, Mapping) else load_profiles(profiles)
    with database() as store:
        analysis = analyze(description, llm=configured(), database=store)
        team = form(analysis.needs, candidates(store, chosen))
    return team.without(left_out).model_copy(update={"analysis": analysis})
