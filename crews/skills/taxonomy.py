"""The taxonomy: areas of skill, the skills in each, and the levels at which they are had (systems C1)."""

from enum import IntEnum


class Level(IntEnum):
    """How well a skill is had."""

    NOVICE = 1
    INTERMEDIATE = 2
    ADVANCED = 3
    EXPERT = 4
    MASTER = 5

    @property
    def word(self) -> str:
        return self.name.lower()


# The skills of each area. An area is a skill too: that of who knows it as a whole.
AREAS: dict[str, tuple[str, ...]] = {
    "data_ingestion": ("api_integration", "streaming", "batch"),
    "data_transformation": ("etl", "cleaning", "normalization"),
    "data_analysis": ("statistics", "machine_learning", "visualization"),
    "data_quality": ("validation", "profiling", "monitoring"),
    "data_storage": ("databases", "warehouses", "lakes"),
}

_AREA_OF = {skill: area for area, skills in AREAS.items() for skill in (area, *skills)}

# All skills, areas first.
SKILLS: tuple[str, ...] = (*AREAS, *(skill for skills in AREAS.values() for skill in skills))


def area_of(skill: str) -> str:
    """The area of a skill; an area is its own. Raises KeyError for what is no skill."""
    return _AREA_OF[skill]
