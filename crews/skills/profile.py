"""Profiles: what an agent is good at, as it is stated. What it was measured to do is not stated: see crews.history."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from core.spec.document import load_document
from core.spec.part import Part
from crews.skills.taxonomy import SKILLS, Level, area_of

# What a secondary skill counts for, where a primary one of the same level counts for 1.
SECONDARY = 0.8


def _skill(name: str) -> str:
    if name in SKILLS:
        return name
    near = difflib.get_close_matches(name, SKILLS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(SKILLS)}"
    raise ValueError(f"there is no skill '{name}'; {hint}")


def _level(given: Any) -> Level:
    words = {level.word: level for level in Level}
    if isinstance(given, str) and given.lower() in words:
        return words[given.lower()]
    # True would be 1.
    if isinstance(given, int) and not isinstance(given, bool) and given in set(Level):
        return Level(given)
    raise ValueError(f"a level is {', '.join(f'{level.word} ({level.value})' for level in Level)}")


Skill = Annotated[str, AfterValidator(_skill), WithJsonSchema({"type": "string", "enum": list(SKILLS)})]
SkillLevel = Annotated[
    Level,
    BeforeValidator(_level),
    PlainSerializer(lambda level: level.word, return_type=str),
    WithJsonSchema({"type": "string", "enum": [level.word for level in Level]}),
]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Profile(Part):
    """What an agent is good at: its `primary` skills, which count fully, and its `secondary` ones, with their levels.

    `availability` is the share of its capacity that it can be asked for. `collaboration` is how well it works with
    others before anything was measured. `learning_rate` is how far each measured piece of work moves what is thought of
    the agent. `specialisations` are words of its own for what it knows best; they are told, and decide nothing.
    """

    primary: dict[Skill, SkillLevel] = Field(min_length=1)
    secondary: dict[Skill, SkillLevel] = {}
    availability: _Share = 1.0
    collaboration: _Share = 0.8
    learning_rate: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.1
    specialisations: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_skill_once(self) -> "Profile":
        if twice := sorted(self.primary.keys() & self.secondary.keys()):
            raise ValueError(f"{', '.join(twice)} cannot be both primary and secondary")
        return self

    @property
    def skills(self) -> frozenset[str]:
        """All skills that are stated, primary and secondary."""
        return frozenset(self.primary) | frozenset(self.secondary)

    def levels(self, skill: str) -> tuple[int, int]:
        """How well it has a skill by its primary skills, and by its secondary ones; 0 for not at all.

        A skill speaks for its whole area, at its own level; an area for each of its skills, one level lower.
        """
        return _spoken_for(self.primary, skill), _spoken_for(self.secondary, skill)

    def fit(self, skill: str, level: Level) -> float:
        """How well it covers a skill that is needed at a level: its own level over that, at most 1; a secondary skill
        counts for `SECONDARY` of that. 0 for not at all."""
        primary, secondary = self.levels(skill)
        return max(min(1.0, primary / level), SECONDARY * min(1.0, secondary / level))


def _spoken_for(stated: Mapping[str, Level], skill: str) -> int:
    area = area_of(skill)
    if skill == area:
        return max((int(level) for own, level in stated.items() if area_of(own) == area), default=0)
    return max(int(stated.get(skill, 0)), stated.get(area, 1) - 1)


class Profiles(Part):
    """A document of profiles, by the id of the agent."""

    profiles: dict[Annotated[str, Field(min_length=1, max_length=200)], Profile] = Field(min_length=1)


def load_profiles(path: str | Path) -> dict[str, Profile]:
    """The profiles of the YAML document at `path`, by agent. Raises SpecError with one line for each problem."""
    return load_document(path, Profiles).profiles
