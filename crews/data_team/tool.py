"""The tools of a crew: each call is taken out of the crew's purse, and none reaches beyond the task's own data."""

import threading
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr

from core.errors import BudgetSpent, CrewlineError
from crews.data_team.budget import Purse
from crews.data_team.correction import Corrections
from crews.data_team.waiting import Waiting
from tools.arguments import Arguments
from tools.context import ToolContext
from tools.quality.tool import DataQualityTool
from tools.tool import Tool, failure

# The member who reads, and the one who writes.
ANALYST, STEWARD = "data_analyst", "data_steward"

# What an answer shows at most, so that a model can read it.
_SHOWN = 10


class CountedTool(Tool):
    """A tool whose calls are counted. It answers an error when nothing is left."""

    _inner: Tool = PrivateAttr()
    _purse: Purse = PrivateAttr()

    @classmethod
    def of(cls, inner: Tool, purse: Purse) -> "CountedTool":
        """The same tool, its calls taken out of this purse."""
        tool = cls(name=inner.name, description=inner.description, args_schema=inner.args_schema, context=inner.context)
        tool._inner, tool._purse = inner, purse
        return tool

    def answer(self, arguments: dict[str, Any]) -> str:
        """See Tool."""
        try:
            with self._purse.calling(self.context.agent, self.name):
                return self._inner.answer(arguments)
        except BudgetSpent as spent:
            return failure(spent)

    def act(self, request: Any) -> BaseModel:
        return self._inner.act(request)

    def close(self) -> None:
        """See Tool."""
        self._inner.close()


class Correction(Arguments):
    """Correct cells of one column in the rows that wait."""

    column: str = Field(description="The column.")
    values: dict[str, str] = Field(
        min_length=1, description="Each text as it stands, by name, and the text that should stand there, as value."
    )


class CorrectionAnswer(BaseModel):
    """How many of the rows that wait would pass with all corrections so far; why others would not; what was refused."""

    rows: int
    passing: int
    reasons: dict[str, int]
    refused: dict[str, str]


class CorrectCellsTool(Tool):
    """Takes a crew's corrections, and tries them on the rows that wait."""

    name: str = "correct_cells"
    description: str = (
        "Correct cells of one column in the rows that wait: each text as it stands, and the text that should stand"
        " there. Answers how many of the rows would pass now, with all corrections so far, and why others would not."
    )
    args_schema: type[BaseModel] = Correction

    _corrections: Corrections = PrivateAttr()
    _waiting: Waiting = PrivateAttr()
    _one_at_a_time: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @classmethod
    def of(cls, context: ToolContext, corrections: Corrections, waiting: Waiting) -> "CorrectCellsTool":
        """The tool that fills in these corrections."""
        tool = cls(context=context)
        tool._corrections, tool._waiting = corrections, waiting
        return tool

    def act(self, request: Correction) -> CorrectionAnswer:
        # A model may call it several times at once.
        with self._one_at_a_time:
            before = {column: dict(values) for column, values in self._corrections.made.items()}
            refused = self._corrections.propose(request.column, request.values)
            try:
                trial = self._waiting.trial(self._corrections.cells(self._waiting.rows))
            except CrewlineError:
                # What the rules cannot work with is told, and not kept.
                self._corrections.made = before
                raise
        return CorrectionAnswer(
            rows=self._waiting.rows.num_rows,
            passing=len(trial.passing),
            reasons=dict(trial.reasons.most_common(_SHOWN)),
            refused=dict(list(refused.items())[:_SHOWN]),
        )


def tools_of(
    contexts: Mapping[str, ToolContext], purse: Purse, corrections: Corrections, waiting: Waiting
) -> dict[str, list[CountedTool]]:
    """The tools of each member, within its own context."""
    own: dict[str, list[Tool]] = {
        ANALYST: [DataQualityTool(context=contexts[ANALYST])],
        STEWARD: [CorrectCellsTool.of(contexts[STEWARD], corrections, waiting)],
    }
    return {member: [CountedTool.of(tool, purse) for tool in tools] for member, tools in own.items()}
