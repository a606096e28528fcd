"""Tasks of pipelines, given to agents by auction."""

from collections import Counter
from collections.abc import Mapping, Sequence

from core.errors import InputError
from core.store import Database
from core.task import Stage, Task
from delegation.assignment import Assignment
from delegation.auction.auction import Auction, Result
from delegation.auction.bid import Lot
from delegation.auction.bidder import RuleBidder, measured
from delegation.card import AgentCard

# What a task is taken to need where no agent was ever measured at its stage, seconds: the same for all, so that skill
# and load decide.
UNMEASURED_S = 1.0


class AuctionAssigner:
    """Puts up each task, one after another, to agents that bid by rules; second-price.

    `cards` say how well each agent can do a stage; one without a card can do its stages fully. What an agent was
    measured to do in earlier runs counts, and so do the tasks that it has by `loads` and that it has got from this
    assigner already. One that has all it may have by `loads` is not asked, where another can do the task. The auctions
    are on record and in the journal of the run.
    """

    def __init__(
        self,
        database: Database,
        *,
        cards: Mapping[str, AgentCard] | None = None,
        loads: Mapping[str, int] | None = None,
        run_id: str | None = None,
    ) -> None:
        self._database = database
        self._cards = cards or {}
        self._loads = loads or {}
        self._run_id = run_id

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        """An assignment for each task, in order. Raises InputError if a task finds no agent."""
        agents = self._asked(agents)
        known = {agent: measured(self._database, agent) for agent in agents}
        loads = Counter(self._loads)
        assignments = []
        for task in tasks:
            of_stage = [known[agent][task.stage] for agent in agents if task.stage in known[agent]]
            done = sum(found.done for found in of_stage)
            expected_s = sum(found.seconds for found in of_stage) / done if done else 0.0
            lot = Lot(id=task.place, task_type=task.stage, expected_s=expected_s or UNMEASURED_S)
            bidders = [
                RuleBidder(self._card(agent, stages), known[agent], load=loads[agent])
                for agent, stages in sorted(agents.items())
            ]
            result = Auction(self._database, bidders).sell(lot, run_id=self._run_id)
            if result.winner is None:
                raise InputError(
                    f"No agent can perform {task.place}: {_why(result)}.",
                    remedy=f"Register one for the stage {task.stage}.",
                )
            loads[result.winner] += 1
            assignments.append(Assignment(task=task.place, agent=result.winner, reason=_reason(result)))
        return assignments

    def _asked(self, agents: Mapping[str, frozenset[Stage]]) -> dict[str, frozenset[Stage]]:
        """Who bids for what stages: full agents only for those that no other can do."""
        free = {
            agent for agent, stages in agents.items() if self._loads.get(agent, 0) < self._card(agent, stages).capacity
        }
        covered = frozenset().union(*(agents[agent] for agent in free))
        asked = {agent: stages if agent in free else stages - covered for agent, stages in agents.items()}
        return {agent: stages for agent, stages in asked.items() if stages or not agents[agent]}

    def _card(self, agent: str, stages: frozenset[Stage]) -> AgentCard:
        """The agent's card, with the skills for stages that it performs."""
        card = self._cards.get(agent) or AgentCard(id=agent, skills={str(stage): 1.0 for stage in stages})
        return card.model_copy(update={"skills": {s: how for s, how in card.skills.items() if s in stages}})


def _reason(result: Result) -> str:
    best = result.entries[0]
    told = f"won auction {result.id} with a score of {best.score:.4g}"
    return (
        f"{told}; {result.entries[1].bidder} came next with {result.entries[1].score:.4g}"
        if result.entries[1:]
        else told
    )


def _why(result: Result) -> str:
    reasons = [f"{name}: {why}" for name, why in {**result.ineligible, **result.refused}.items()]
    return "; ".join(reasons[:5]) or "there is none"
