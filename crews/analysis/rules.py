"""The analyst by rules: whole words of a description, with their inflections (systems C2)."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.errors import InputError
from core.task import THRESHOLDS, Dimension
from crews.analysis.vocabulary import SCALE_OF, TOPIC_OF, TOPICS, words
from crews.skills.need import Need
from crews.skills.taxonomy import Level, area_of
from tools.orchestration.requirements import Level as Complexity

# From so many areas on, a task is complex, whatever its levels.
MANY_AREAS = 4

# With no more skills than this, none above intermediate, it is simple.
FEW_SKILLS = 2


class Found(NamedTuple):
    """What rules read out of a description."""

    needs: tuple[Need, ...]
    complexity: Complexity
    quality: dict[Dimension, float]


def by_rules(description: str) -> Found:
    """The needs in the order of systems C2, each with the words that ask for it.

    Raises InputError where no word is known: the description says nothing, or says it in another language.
    """
    said = words(description)
    asked: dict[str, list[str]] = {}
    for word in said:
        if word in TOPIC_OF:
            asked.setdefault(TOPIC_OF[word].skill, []).append(word)
    if not asked:
        raise InputError(
            "No word of the description names a skill that the rules know.",
            remedy=f"Use English words such as {', '.join(topic.verbs.split()[0] for topic in TOPICS)};"
            " or configure a model (CREWLINE_LLM_MODEL), which knows more.",
        )
    scales = [word for word in said if word in SCALE_OF]
    scale = max((SCALE_OF[word] for word in scales), default=None)
    needs = []
    for topic in TOPICS:
        if topic.skill in asked:
            own = dict.fromkeys(asked[topic.skill])
            why = ", ".join([*own, *(w for w in dict.fromkeys(scales) if SCALE_OF[w] == scale)])
            needs.append(Need(skill=topic.skill, level=scale or topic.level, why=why[:500]))
    return Found(tuple(needs), complexity(needs), quality(description))


def complexity(needs: Sequence[Need]) -> Complexity:
    """Complex with a skill at master's level or MANY_AREAS areas; simple with at most FEW_SKILLS skills, none above
    intermediate; else standard."""
    if any(need.level == Level.MASTER for need in needs) or len(areas(needs)) >= MANY_AREAS:
        return "complex"
    if len(needs) <= FEW_SKILLS and all(need.level <= Level.INTERMEDIATE for need in needs):
        return "simple"
    return "standard"


def areas(needs: Iterable[Need]) -> set[str]:
    """The areas of skill that are needed."""
    return {area_of(need.skill) for need in needs}


def quality(description: str) -> dict[Dimension, float]:
    """The share of faultless rows to be reached in each dimension: what the description says beside the dimension's
    name (`accuracy of 99.5%`, `99% complete`), else the default."""
    folded = description.casefold()
    reached = dict(THRESHOLDS)
    for dimension in Dimension:
        stem = dimension.removesuffix("ness").removesuffix("ency").removesuffix("cy")
        number, name = r"(?<![\d.])(\d{1,3}(?:\.\d+)?)\s*%", rf"\b{stem}[a-z]*"
        stated = re.search(rf"{name}\W+(?:(?:of|at|least|is|above|over)\W+){{0,3}}{number}|{number}\W+{name}", folded)
        if stated:
            reached[dimension] = min(1.0, float(stated[1] or stated[2]) / 100)
    return reached
