"""The profiles of the built-in agents, by the stage that each performs: what the tools that it uses can do."""

from core.task import Stage
from crews.skills.profile import Profile
from crews.skills.taxonomy import Level

STAGE_PROFILES = {
    Stage.INGESTION: Profile(
        primary={"data_ingestion": Level.EXPERT, "batch": Level.MASTER},
        secondary={"lakes": Level.ADVANCED},
    ),
    Stage.VALIDATION: Profile(
        primary={"data_quality": Level.EXPERT, "validation": Level.MASTER},
        secondary={"cleaning": Level.EXPERT},
    ),
    Stage.TRANSFORMATION: Profile(primary={"data_transformation": Level.EXPERT, "cleaning": Level.EXPERT}),
    Stage.ENRICHMENT: Profile(primary={"etl": Level.EXPERT}, secondary={"normalization": Level.EXPERT}),
    Stage.AGGREGATION: Profile(primary={"statistics": Level.EXPERT}, secondary={"etl": Level.ADVANCED}),
}
