"""What runs teach those that come after them: seen with its evidence, and undone where a person knows better."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from crews.experience.lessons import Lessons
    from crews.experience.memory import Memory
    from crews.experience.observation import Observation
    from crews.experience.pattern import Pattern
    from crews.experience.reflection import reflect

__all__ = ["Lessons", "Memory", "Observation", "Pattern", "reflect"]

_HOMES = {
    "Lessons": "crews.experience.lessons",
    "Memory": "crews.experience.memory",
    "Observation": "crews.experience.observation",
    "Pattern": "crews.experience.pattern",
    "reflect": "crews.experience.reflection",
}

__getattr__ = face(__name__, _HOMES)
