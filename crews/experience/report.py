"""What was learned, as people look at it."""

from pydantic import BaseModel, ConfigDict

from core.store.database import Database
from crews.experience.memory import Known, Memory
from crews.experience.trend import Trend, trends


class Experience(BaseModel):
    """The patterns, by id, and the trends of each pipeline that has some."""

    model_config = ConfigDict(frozen=True)

    patterns: tuple[Known, ...]
    trends: dict[str, list[Trend]]


def report(database: Database, pipeline: str | None = None) -> Experience:
    """What was learned of a pipeline, or of all."""
    memory = Memory(database)
    known = memory.known(pipeline)
    pipelines = sorted({each.pattern.pipeline for each in known})
    found = {name: trends(memory.observations(name)) for name in pipelines}
    return Experience(patterns=tuple(known), trends={name: own for name, own in found.items() if own})
