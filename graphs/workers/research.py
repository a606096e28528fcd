"""Research workers: which data there is for a question, and what it is like."""

from collections.abc import Callable
from typing import Any, NamedTuple

from core.store import Database
from graphs.branch import Branch
from graphs.worker import Attempt, Result
from graphs.workers.bounds import bounded, session
from graphs.workers.competitive import Competition, CompetitiveRequest, compared
from graphs.workers.inquiry import Inquiry
from graphs.workers.market import Market, MarketRequest, surveyed
from graphs.workers.payload import requested
from graphs.workers.technical import Technical, TechnicalRequest, examined
from tools.arguments import Arguments
from tools.context import ToolContext


class _Focus(NamedTuple):
    request: type[Arguments]
    find: Callable[[Any, Inquiry], Technical | Market | Competition]


_FOCI = {
    "research.technical": _Focus(TechnicalRequest, examined),
    "research.market": _Focus(MarketRequest, surveyed),
    "research.competitive": _Focus(CompetitiveRequest, compared),
}


class ResearchWorker:
    """Performs `research.technical` (schema, format, size, keys), `research.market` (content, coverage, distribution by
    business domain) and `research.competitive` (which dataset serves an entity best).

    Payloads and results are the models of the modules of these names, which also say what the quality of a result is.
    """

    name = "research"
    kinds = frozenset(_FOCI)
    capacity = 4

    def __init__(self, database: Database, context: ToolContext) -> None:
        self._database = database
        self._context = context

    def perform(self, branch: Branch, attempt: Attempt) -> Result:
        """Raises InputError for a wrong payload, SourceError for a path that cannot be read, Refused, WorkError."""
        focus = _FOCI[branch.kind]
        request = requested(focus.request, branch)
        with session(self._context, attempt) as opened:
            inquiry = Inquiry(opened, self._context, self._database)
            found = focus.find(request, inquiry)
        return bounded(
            found.model_dump(mode="json", exclude={"quality"}, exclude_none=True), found.quality, inquiry.notes
        )
