"""TaskAnalysis: what a task asks for, whoever worked it out."""

from pydantic import BaseModel, ConfigDict

from core import journal
from core.errors import InputError, ModelError
from core.llm import Llm
from core.store.database import Database
from core.task import Dimension
from crews.analysis.model import by_model
from crews.analysis.rules import Found, areas, by_rules, quality
from crews.skills.need import Need
from crews.skills.taxonomy import AREAS
from tools.orchestration.requirements import PROFILES
from tools.orchestration.requirements import Level as Complexity

# Longer descriptions are none.
LONGEST = 20_000


class TaskAnalysis(BaseModel):
    """What a task asks for.

    `needs` are the skills, with levels. `score` is the complexity as a number, 0 to 1, and `duration_s` the seconds
    that are expected of such a task, both as pipelines of this complexity are planned with (systems F2).
    `collaboration` says how far different areas of skill have to work together, 0 to 1: the needed areas but one, over
    all areas but one. `quality` is the share of faultless rows to be reached. `analyst` is `rules` or the model's name;
    `notes` have what the reader should be warned of.
    """

    model_config = ConfigDict(frozen=True)

    description: str
    analyst: str
    needs: tuple[Need, ...]
    complexity: Complexity
    score: float
    collaboration: float
    duration_s: int
    quality: dict[Dimension, float]
    notes: tuple[str, ...] = ()


def analyze(
    description: str, *, llm: Llm | None = None, database: Database | None = None, run_id: str | None = None
) -> TaskAnalysis:
    """What the described task asks for: by the model, if one is given; else, and where it fails, by rules.

    A failure of the model is told in the notes, and in the journal of `database`. Raises InputError for an empty
    description, and for one that rules must read and cannot: see `by_rules`.
    """
    if not description.strip():
        raise InputError("The description is empty.", remedy="Say what is to be done with which data.")
    if len(description) > LONGEST:
        raise InputError(
            f"The description has {len(description):,} characters.", remedy=f"At most {LONGEST:,} are read."
        )
    if llm is None:
        return _analysis(description, "rules", by_rules(description))
    try:
        needs, complexity = by_model(llm, description)
    except ModelError as error:
        note = f"By rules, since the model failed: {error}"
        if database is not None:
            told = {"analyst": "rules", "model": llm.model, "reason": str(error)}
            event = journal.Event(run_id=run_id, kind="analysis.fell_back", actor="analyst", data=told)
            database.transaction(lambda connection: journal.write(connection, event))
        try:
            found = by_rules(description)
        except InputError as nothing:
            raise InputError(f"{nothing.what} {note}", remedy=nothing.remedy) from error
        return _analysis(description, "rules", found, note)
    return _analysis(description, llm.model, Found(needs, complexity, quality(description)))


def _analysis(description: str, analyst: str, found: Found, *notes: str) -> TaskAnalysis:
    profile = PROFILES[found.complexity]
    return TaskAnalysis(
        description=description,
        analyst=analyst,
        needs=found.needs,
        complexity=found.complexity,
        score=profile.score,
        collaboration=(len(areas(found.needs)) - 1) / (len(AREAS) - 1),
        duration_s=profile.expected_s,
        quality=found.quality,
        notes=notes,
    )
