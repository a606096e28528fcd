"""propose: from a goal in words and a folder of data to a pipeline's document."""

import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.errors import AmbiguousGoal, InputError, ModelError, Unsolvable
from core.journal import Event
from core.journal import write as write_event
from core.llm import configured
from core.spec import PipelineSpec, loads
from core.store import Database
from graphs.planning.data.dataset import Survey
from graphs.planning.data.document import MARK, document
from graphs.planning.data.domain import NAME, facts
from graphs.planning.data.draft import drafted
from graphs.planning.data.goal import Goal, Reading
from graphs.planning.data.order import both_ways
from graphs.planning.data.question import answered
from graphs.planning.data.reading import readings
from graphs.planning.data.roads import by_each_road, passable
from graphs.planning.data.survey import survey
from graphs.planning.data.tasks import asked
from graphs.planning.plan import Plan, Risk
from graphs.planning.planner import make_plan
from graphs.planning.registry import find
from tools.discovery.words import words
from tools.engine.session import session
from tools.orchestration.examination import examine
from tools.orchestration.rates import measured
from tools.sources import Surroundings

# As long as a name may be, and some.
_LONGEST = 50


class Proposal(BaseModel):
    """A planned pipeline: its document as `text`, and as a `spec`.

    `reading` is what the goal was taken for, `remarks` what that rests on, and what is to be known of the data. `steps`
    are those of the plan, in words. `confidence` is the product of the probabilities that its steps and choices
    succeed, `duration_s` how long the run will take if each step takes what its like took. `by` says who read the goal.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    text: str
    spec: PipelineSpec
    goal: Goal
    reading: str
    by: str
    remarks: list[str]
    plan: Plan
    steps: str
    risks: list[Risk]
    confidence: float
    duration_s: float

    def shown(self) -> dict[str, Any]:
        """As plain JSON values."""
        shown = self.model_dump(mode="json", exclude={"spec", "plan"})
        return {**shown, "name": self.spec.name, "cost": self.plan.cost, "optimal": self.plan.optimal}


def propose(
    goal: str, sources: str, database: Database, *, folder: str | Path = ".", reading: int | None = None
) -> Proposal:
    """Plan a pipeline for the goal over the data files below `sources`, to stand in `folder`.

    `reading` chooses, from 1, where the goal can be read in several ways. Raises GoalError for a goal that names
    nothing there is, AmbiguousGoal where it can be read in several ways and `reading` is not given, Unsolvable where
    the datasets cannot be brought together, InputError, SourceError.
    """
    found = survey(sources, database)
    known = facts(found, measured(database))
    by, read = _read(goal, found)
    ways = [way for one in read for road in by_each_road(one, goal, found) for way in both_ways(road, found)]
    planned = _solved(ways, known, found)
    chosen = _chosen(goal, [one for one, _ in planned], reading, found)
    plan = planned[chosen][1]
    proposal = _proposal(goal, by, planned[chosen][0], plan, found, Path(folder).absolute(), database)
    told: dict[str, Any] = {
        "goal": goal,
        "reading": proposal.reading,
        "by": by,
        "remarks": proposal.remarks,
        "name": proposal.spec.name,
        "confidence": plan.confidence,
        "duration_s": plan.duration_s,
    }
    event = Event(run_id=None, kind="pipeline.planned", actor="planner", data=told)
    database.transaction(lambda connection: write_event(connection, event))
    return proposal


def _read(goal: str, found: Survey) -> tuple[str, list[Reading]]:
    """What the goal may mean, and who says so: the model, where one is configured and makes sense, else the rules."""
    llm = configured()
    if llm is None or not goal.strip():
        return "rules", readings(goal, found)
    try:
        return llm.model, [answered(llm, goal, found)]
    except ModelError as error:
        remark = f"the goal was read by rules: {error.what.rstrip('.')}"
        read = readings(goal, found)
        return "rules", [one.model_copy(update={"remarks": (*one.remarks, remark)}) for one in read]


def _solved(read: Sequence[Reading], known: list[Any], found: Survey) -> list[tuple[Reading, Plan]]:
    """The readings that there is a plan for. Raises Unsolvable if there is none for any."""
    planned: list[tuple[Reading, Plan]] = []
    failures: list[Unsolvable] = []
    for one in read:
        try:
            planned.append((one, make_plan(find(NAME), asked(one.goal, found).tasks, passable(known, one.goal, found))))
        except Unsolvable as error:
            failures.append(error)
    if not planned:
        raise failures[0]
    return planned


def _chosen(goal: str, read: Sequence[Reading], reading: int | None, found: Survey) -> int:
    if reading is None and len(read) > 1:
        raise AmbiguousGoal(goal, [str(one.goal) for one in read], there=found.shown())
    if reading is not None and not 1 <= reading <= len(read):
        raise InputError(
            f"There is no reading {reading} of the goal '{goal}'; there are {len(read)}.",
            remedy="; ".join(f"{number}: {one.goal}" for number, one in enumerate(read, start=1)),
        )
    return (reading or 1) - 1


def _proposal(
    goal: str, by: str, reading: Reading, plan: Plan, found: Survey, folder: Path, database: Database
) -> Proposal:
    wanted = asked(reading.goal, found)
    draft = drafted(plan, reading.goal, wanted, found)
    of_goal = [*reading.remarks, *draft.remarks]
    of_goal += [why.rstrip(".") for why in found.unread.values()]
    risks = plan.risks
    head = [
        f"The goal: {goal}",
        f"It was read as: {reading.goal}.",
        *(f"Note: {remark}." for remark in of_goal),
        f"The plan has {len(plan.steps)} steps and should take about {plan.duration_s:.0f} s; its confidence is"
        f" {plan.confidence:.0%}.",
        *(f"It may go wrong, by {risk.probability:.1%}, as {risk.cause}." for risk in risks[:3]),
    ]
    text = document(_name(goal), head, draft, reading.goal, wanted, found, folder)
    spec = loads(text, document="the planned pipeline")
    _examined(spec, folder, database)
    return Proposal(
        text=text,
        spec=spec,
        goal=reading.goal,
        reading=str(reading.goal),
        by=by,
        remarks=[*of_goal, *(f"{name}: {told}" for name in draft.columns for told in found.datasets[name].remarks)],
        plan=plan,
        steps=plan.text,
        risks=risks,
        confidence=plan.confidence,
        duration_s=plan.duration_s,
    )


def _examined(spec: PipelineSpec, folder: Path, database: Database) -> None:
    """Look at the pipeline as a run does before it starts. Raises as `examine` does."""
    surroundings = Surroundings(base_dir=str(folder), database_url=database.url)
    with tempfile.TemporaryDirectory(), session() as (engine, _):
        examine(engine, spec, surroundings)


def _name(goal: str) -> str:
    told = "".join(mark for mark in " ".join(words(goal)) if mark.isascii())
    whole = textwrap.shorten(told, _LONGEST, placeholder="") or told[:_LONGEST]
    return "_".join(whole.split()) or "planned"


def write(proposal: Proposal, out: str | Path) -> Path:
    """Write the document. Raises InputError where something stands there that was not planned, or nothing can stand."""
    path = Path(out)
    try:
        if path.exists() and not path.read_text(encoding="utf-8").startswith(MARK):
            raise InputError(
                f"{path} is there already, and was not planned by Crewline.",
                remedy="Give another --out, or remove it.",
            )
        path.write_text(proposal.text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be written: {error}.", remedy="Give another --out.") from error
    return path
