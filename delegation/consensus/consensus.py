"""Consensus: asking voters, counting, and keeping what they decided."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import get_args

from pydantic import BaseModel, ConfigDict

from core import journal
from core.errors import InputError
from core.store import Database
from core.store.database import Connection
from core.store.value import jsonb
from delegation.clock import Clock, SystemClock
from delegation.consensus.proposal import NEEDS_MAPPING, Proposal
from delegation.consensus.tally import THRESHOLD, Ballot, Rule, Tally, agreed, tally
from delegation.consensus.vote import ABSTAIN, Vote, Voter
from delegation.gathering import Answer, gather, patience
from delegation.rules.condition import ABSURD, kind

# How long voters have (systems D7), seconds.
TIMEOUT_S = 30.0


class Result(BaseModel):
    """A decision: what was proposed, what each voter said, and what that came to.

    `mapping` says, where the verdict is that a mapping is needed, by which name each column that is gone goes now.
    """

    model_config = ConfigDict(frozen=True)

    id: uuid.UUID
    run_id: str | None
    kind: str
    dataset: str
    fingerprint: str
    tally: Tally
    ballots: tuple[Ballot, ...]
    mapping: dict[str, str]
    decided_at: datetime | None = None

    @property
    def verdict(self) -> str:
        return self.tally.verdict


class Consensus:
    """Voters who decide together. `threshold` is the share that an option needs, above one half and up to 1.

    Raises InputError if two voters have one name, or a number is none that it can be.
    """

    def __init__(
        self,
        database: Database,
        voters: Sequence[Voter],
        *,
        rule: Rule = "majority",
        threshold: float = THRESHOLD,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._voters = {voter.name: voter for voter in voters}
        self._rule: Rule = rule
        self._threshold = threshold
        self._timeout_s = patience(timeout_s)
        self._clock = clock or SystemClock()
        if len(self._voters) < len(voters):
            raise InputError("Two voters have the same name.", remedy="Each votes once, by a name of its own.")
        if rule not in get_args(Rule):
            raise InputError(f"{rule!r:.40} is no rule.", remedy=f"Give one of {', '.join(get_args(Rule))}.")
        if kind(threshold) != "number" or not 0.5 < threshold <= 1:
            raise InputError(f"{threshold!r:.40} is no threshold.", remedy="Give a share above 0.5, up to 1.")
        if unweighted := [v.name for v in voters if kind(v.weight) != "number" or not 0 < v.weight <= ABSURD]:
            raise InputError(
                f"The weight of {', '.join(unweighted)} is no number above 0.", remedy=f"Give one up to {ABSURD:g}."
            )

    def decide(self, proposal: Proposal, *, run_id: str | None = None) -> Result:
        """Ask all voters at once, count, and record the decision, in the journal too.

        Who fails, or has not answered when the time is over, is recorded so, and counts as no yes. What was decided in
        a run already is not asked again: the decision on record is returned.
        """
        if run_id and (known := self._recorded(run_id, proposal)):
            return known
        answers = gather(
            {name: partial(voter.vote, proposal) for name, voter in self._voters.items()},
            timeout_s=self._timeout_s,
            clock=self._clock,
        )
        ballots = [_ballot(self._voters[name], answer, proposal) for name, answer in answers.items()]
        counted = tally(proposal.options, ballots, rule=self._rule, threshold=self._threshold)
        mapping: dict[str, str] | None = {}
        if counted.verdict == NEEDS_MAPPING:
            mapping = agreed([b.vote.mapping for b in ballots if b.vote])
            if mapping is None:
                counted = _fallen(counted, proposal, "the voters map the columns in different ways")
        result = Result(
            id=uuid.uuid4(),
            run_id=run_id,
            kind=proposal.kind,
            dataset=proposal.dataset,
            fingerprint=proposal.fingerprint,
            tally=counted,
            ballots=tuple(ballots),
            mapping=mapping or {},
        )
        self._database.transaction(lambda connection: _record(connection, result, proposal))
        # Another process may have decided the same for the same run in the meantime: the first decision stands.
        return (self._recorded(run_id, proposal) if run_id else None) or result

    def _recorded(self, run_id: str, proposal: Proposal) -> Result | None:
        rows = self._database.query(
            "SELECT result, decided_at FROM consensus WHERE run_id = %s AND fingerprint = %s",
            (run_id, proposal.fingerprint),
        )
        return _result(rows[0]) if rows else None


def decided(database: Database, run_id: str) -> set[str]:
    """The fingerprints of the proposals that were decided on in a run."""
    rows = database.query("SELECT fingerprint FROM consensus WHERE run_id = %s", (run_id,))
    return {row["fingerprint"] for row in rows}


def history(database: Database, dataset: str | None = None, *, limit: int = 50) -> list[Result]:
    """The last decisions, of one dataset or of all, newest first."""
    rows = database.query(
        "SELECT result, decided_at FROM consensus WHERE %s::text IS NULL OR dataset = %s"
        " ORDER BY decided_at DESC, id LIMIT %s",
        (dataset, dataset, limit),
    )
    return [_result(row) for row in rows]


def _result(row: dict[str, object]) -> Result:
    return Result.model_validate(row["result"]).model_copy(update={"decided_at": row["decided_at"]})


def _ballot(voter: Voter, answer: Answer[Vote], proposal: Proposal) -> Ballot:
    """The voter's vote, if it is one that the proposal has."""
    vote, failure = answer.value, answer.failure
    if failure is None and not isinstance(vote, Vote):
        failure = f"answered by no vote, but {type(vote).__name__}"
    elif failure is None and vote is not None and vote.choice not in (*proposal.options, ABSTAIN):
        failure = f"'{vote.choice}' is none of {', '.join(proposal.options)}, {ABSTAIN}"
    if failure is not None:
        return Ballot(voter=voter.name, weight=voter.weight, failure=failure)
    return Ballot(voter=voter.name, weight=voter.weight, vote=vote)


def _fallen(counted: Tally, proposal: Proposal, reason: str) -> Tally:
    last = proposal.options[-1]
    share = counted.counts[last] / max(1, sum(counted.counts.values()) + counted.failed)
    return counted.model_copy(
        update={
            "verdict": last,
            "reached": False,
            "reason": f"{reason}, so {last} holds",
            "share": share,
            "confidence": 0.0,
        }
    )


def _record(connection: Connection, result: Result, proposal: Proposal) -> None:
    new = connection.execute(
        "INSERT INTO consensus (id, run_id, dataset, fingerprint, verdict, proposal, result)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            result.id,
            result.run_id,
            result.dataset,
            result.fingerprint,
            result.verdict,
            jsonb(proposal.model_dump(mode="json")),
            jsonb(result.model_dump(mode="json")),
        ),
    )
    if new.rowcount:
        told = {
            "consensus": str(result.id),
            "proposal": result.kind,
            "dataset": result.dataset,
            "mapping": result.mapping,
            **result.tally.model_dump(mode="json"),
            "votes": {b.voter: b.vote.choice if b.vote else f"failed: {b.failure}" for b in result.ballots},
        }
        journal.write(
            connection, journal.Event(run_id=result.run_id, kind="consensus.decided", actor="consensus", data=told)
        )
