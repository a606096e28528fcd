"""What an assembled pipeline is asked to do, and what it came to. Both are plain data, on record with the run."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.task import Outcome, RowCount
from crews.dynamic.template import Resources
from crews.registry.assembly import Plan, PlannedStage
from graphs.runs import GraphReport
from tools.context import ToolContext

GRAPH: Literal["assembly"] = "assembly"

# How long one try at a stage may take (systems C5), seconds.
STAGE_S = 300.0


class Order(BaseModel):
    """A plan, the data that it is for, and within which bounds. `budget` is what its agents may hold at a time."""

    model_config = ConfigDict(frozen=True)

    graph: Literal["assembly"] = GRAPH
    plan: Plan
    dataset: str
    source: str
    out: str | None = None
    context: ToolContext
    budget: Resources | None = None
    timeout_s: float = Field(default=STAGE_S, gt=0, allow_inf_nan=False)

    def key(self, index: int) -> str:
        """The step of a stage, by its place in the plan."""
        return f"{self.plan.stages[index].capability}/{self.dataset}/{index + 1}"

    @property
    def keys(self) -> list[str]:
        """The steps of all stages, in order."""
        return [self.key(index) for index in range(len(self.plan.stages))]


class StageAccount(RowCount):
    """What became of the rows that came to a stage. `groups` is what an aggregation made of `rows_out`."""

    capability: str
    agent: str
    groups: int | None = None
    leaving: dict[str, int] = {}
    left_file: str | None = None
    notes: list[str] = []
    seconds: float = 0.0

    @property
    def going_on(self) -> int:
        """The rows that the next stage has to account for."""
        return self.rows_out if self.groups is None else self.groups


class AssemblyReport(BaseModel):
    """What a run came to: the account of each stage that is done, where the result is, and why there is none.

    `resumable` says of a failed one whether it can go on once that is mended: what was asked for stays as it is.
    """

    run_id: str
    status: Literal["done", "failed"]
    dataset: str
    stages: list[StageAccount]
    output: list[str] = []
    out: str | None = None
    error: str | None = None
    resumable: bool = False
    seconds: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether each stage accounts for its rows, and got what the one before let go on."""
        pairs = zip(self.stages, self.stages[1:], strict=False)
        return all(s.balanced for s in self.stages) and all(a.going_on == b.rows_in for a, b in pairs)

    def as_graph(self) -> GraphReport:
        """The same, as all graphs tell it."""
        state = self.model_dump(mode="json", exclude={"run_id", "status", "resumable", "seconds"})
        done = {"done": len(self.stages), "failed": int(self.status == "failed")}
        counted = {"completed_branches": done}
        return GraphReport(run_id=self.run_id, status=self.status, state={**state, **counted}, seconds=self.seconds)


def accounted(stage: PlannedStage, outcome: Outcome) -> StageAccount:
    """A stage's account, from its outcome."""
    return StageAccount(
        **outcome.rows.model_dump(),
        capability=stage.capability,
        agent=outcome.agent,
        groups=outcome.groups,
        leaving=outcome.leaving,
        left_file=outcome.left.paths[0] if outcome.left else None,
        notes=outcome.notes,
        seconds=outcome.seconds,
    )


def named_after(source: str) -> str:
    """A name for the dataset at a place, such as `orders` for `/data/orders.csv`."""
    stem = Path(source.rstrip("/").rpartition("/")[2]).stem
    letters = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in stem).strip("_-")
    return letters[:60] or "data"
