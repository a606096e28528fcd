"""Needs: what a task asks of those who do it."""

from pydantic import Field

from core.spec.part import Part
from crews.skills.profile import Skill, SkillLevel


class Need(Part):
    """A skill that is needed at a level. `name` is what it is needed for, the skill itself if nothing else is said;
    `why` has the words or facts that it follows from."""

    name: str = ""
    skill: Skill
    level: SkillLevel
    why: str = Field(default="", max_length=500)

    @property
    def called(self) -> str:
        return self.name or self.skill
