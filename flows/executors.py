"""Who does the stages of a run: the agents of crews, with a crew of CrewAI where the spec asks for one."""

from core.llm import configured
from crews import Agent
from crews.data_team import Budget, CrewedAgent
from flows.session import Session
from flows.teams import COORDINATOR


def executors(session: Session) -> dict[str, Agent]:
    """The staff by id. Raises InputError if a crew is asked for, and its model is only half configured."""
    asked = {stage for stage, executor in session.spec.executor.items() if executor == "crew"}
    if not asked:
        return session.staff.agents
    llm = configured()
    budget = Budget(session.spec.crew, session.lease.database, session.run_id, session.ledger.tell)
    return {
        name: CrewedAgent(agent, llm, budget, COORDINATOR) if agent.stages & asked else agent
        for name, agent in session.staff.agents.items()
    }
