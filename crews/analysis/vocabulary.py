"""The words that rules know: what they ask for, and their inflections (systems C2)."""

import re
import unicodedata
from typing import NamedTuple

from crews.skills.taxonomy import Level


class Topic(NamedTuple):
    """A skill, the level at which its words ask for it, and these words. Verbs come with their inflections, what
    stands under `others` is taken as it is."""

    skill: str
    level: Level
    verbs: str
    others: str = ""


TOPICS = (
    Topic(
        "data_ingestion", Level.ADVANCED, "ingest extract collect stream", "api apis ingestion extraction collection"
    ),
    Topic(
        "data_transformation",
        Level.EXPERT,
        "transform clean cleanse normalize normalise pipeline",
        "etl transformation transformations normalization normalisation",
    ),
    Topic(
        "data_analysis",
        Level.ADVANCED,
        "analyze analyse model",
        "analysis analytics analytical statistical statistically statistic statistics ml insight insights",
    ),
    Topic("data_quality", Level.INTERMEDIATE, "validate profile monitor audit", "quality validation validations"),
    Topic(
        "visualization",
        Level.INTERMEDIATE,
        "visualize visualise chart report",
        "dashboard dashboards bi visualization visualizations visualisation visualisations",
    ),
    Topic(
        "data_storage",
        Level.ADVANCED,
        "store warehouse persist",
        "database databases lake lakes storage persistence",
    ),
)

# Words that tell the scale of a task, and the level that every skill is then needed at. The largest scale counts.
SCALES = {
    Level.MASTER: "petabyte petabytes pb realtime distributed enterprise enterprises",
    Level.EXPERT: "terabyte terabytes tb batch batches scalable production",
    Level.INTERMEDIATE: "gigabyte gigabytes gb simple basic prototype prototypes",
}


def words(text: str) -> list[str]:
    """The words of a text in small letters, in order; `real-time` is one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"[^\W\d_]+", re.sub(r"\breal[\s-]time\b", "realtime", folded))


def inflections(verb: str) -> set[str]:
    """A regular English verb (or noun) and its forms: with -s, -ed and -ing."""
    bare = verb.removesuffix("e")
    # A final l is doubled in British English.
    stems = {bare, f"{bare}l"} if bare == verb and verb.endswith("l") else {bare}
    return {verb, f"{verb}s"} | {f"{stem}{ending}" for stem in stems for ending in ("ed", "ing")}


def _known() -> dict[str, Topic]:
    return {
        word: topic
        for topic in TOPICS
        for word in {form for verb in topic.verbs.split() for form in inflections(verb)} | set(topic.others.split())
    }


TOPIC_OF = _known()
SCALE_OF = {word: level for level, listed in SCALES.items() for word in listed.split()}
