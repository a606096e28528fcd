"""Competitive research: the datasets that cover the same entity, compared, and which of them serves best."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

import ibis
from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphs.workers.contender import Contender, contender
from graphs.workers.inquiry import MAX_DATASETS, Inquiry, singular
from tools.arguments import Arguments
from tools.discovery.ranking import HALF_LIFE_S

# Files that were written one after the other differ in freshness, by nothing that matters.
_NOTICEABLE = 0.001

_MEASURES = ("completeness", "soundness", "uniqueness", "coverage", "breadth", "freshness")


class CompetitiveRequest(Arguments):
    """Compare the datasets that cover an `entity`, such as customer: those that the catalog finds by this word, or
    those at `paths`. `key` is the column that identifies it, where its name does not tell (as `customer_id` does)."""

    entity: str = Field(min_length=1, max_length=100)
    key: str | None = Field(default=None, min_length=1)
    paths: tuple[str, ...] = Field(default=(), max_length=MAX_DATASETS)
    max_datasets: int = Field(default=10, ge=1, le=MAX_DATASETS)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not singular(self.entity):
            raise ValueError("entity: there is no word in it")
        return self


class Candidate(BaseModel):
    """A dataset that covers the entity. All measures are from 0 to 1, and absent where they could not be taken.

    - completeness: the share of cells with a value.
    - soundness: the share of cells with a value in which cleaning finds no mistake (tools.quality.cleaning).
    - uniqueness: different keys for each row.
    - coverage: its share of all keys that any of the candidates has, taken of several that were all read whole.
    - breadth: its share of all columns that any of the candidates has, by their words.
    - freshness: halves with each week since the last change.

    `score` is the mean of the measures that were taken of all candidates. `shared` is the share of its keys that
    another candidate has too, and no part of the score: a key that nobody else has may be more, or wrong.
    """

    model_config = ConfigDict(frozen=True)

    location: str
    key: str
    rows: int
    keys: int
    completeness: float | None
    soundness: float | None
    uniqueness: float | None
    coverage: float | None
    breadth: float
    freshness: float | None
    shared: float | None
    score: float | None = None


class Reason(BaseModel):
    """A measure of the best candidate, and what the best of the others has in it."""

    model_config = ConfigDict(frozen=True)

    measure: str
    value: float
    others: float


class Competition(BaseModel):
    """The candidates, the best first.

    `best` is absent without candidates, or where the first two are equal to a thousandth. `reasons` are the measures in
    which the best leads, `against` those in which another does, the widest first. `keys` counts those of all together.
    `passed_over` says of datasets that are no candidates why not. `quality` is the share of measures that could be
    taken, over all candidates; None without any.
    """

    model_config = ConfigDict(frozen=True)

    entity: str
    candidates: list[Candidate]
    best: str | None
    reasons: list[Reason]
    against: list[Reason]
    keys: int | None
    passed_over: dict[str, str]
    quality: float | None


def compared(request: CompetitiveRequest, inquiry: Inquiry) -> Competition:
    """Compare the datasets of a request that cover its entity (see `contender`)."""
    contenders, passed_over = [], {}
    for dataset in inquiry.datasets(request.entity, request.paths, request.max_datasets):
        found = contender(request.entity, request.key, dataset, inquiry)
        if isinstance(found, str):
            passed_over[dataset.location] = found
        else:
            contenders.append(found)
    keys, candidates = _measured(contenders, inquiry)
    taken = [measure for measure in _MEASURES if all(getattr(one, measure) is not None for one in candidates)]
    ranked = sorted((_scored(one, taken) for one in candidates), key=lambda one: (-(one.score or 0.0), one.location))
    if len(ranked) == 1:
        inquiry.notes.append("only one dataset covers it: there is nothing to compare")
    leads = ranked[:1] if len(ranked) == 1 or _leads(ranked) else []
    reasons = _reasons(ranked, taken) if leads else []
    known = [getattr(one, measure) is not None for one in candidates for measure in _MEASURES]
    return Competition(
        entity=request.entity,
        candidates=ranked,
        best=leads[0].location if leads else None,
        reasons=[reason for reason in reasons if reason.value - reason.others >= _NOTICEABLE],
        against=[reason for reason in reasons if reason.others - reason.value >= _NOTICEABLE],
        keys=keys,
        passed_over=passed_over,
        quality=sum(known) / len(known) if known else None,
    )


def _measured(contenders: Sequence[Contender], inquiry: Inquiry) -> tuple[int | None, list[Candidate]]:
    """How many keys all have together, None where that is not known; and the candidates, not scored yet."""
    keys, shared = _together(contenders, inquiry)
    attributes = frozenset[tuple[str, ...]]().union(*(one.attributes for one in contenders))
    now = datetime.now(UTC)
    return keys, [
        Candidate(
            location=one.dataset.location,
            key=one.key,
            rows=one.rows,
            keys=one.distinct,
            completeness=one.filled,
            soundness=one.sound,
            uniqueness=one.distinct / one.rows if one.rows else None,
            coverage=one.distinct / keys if keys else None,
            breadth=len(one.attributes) / len(attributes) if attributes else 1.0,
            freshness=_freshness(one.dataset.updated_at, now),
            shared=shared[index] / one.distinct if index in shared and one.distinct else None,
        )
        for index, one in enumerate(contenders)
    ]


def _together(contenders: Sequence[Contender], inquiry: Inquiry) -> tuple[int | None, dict[int, int]]:
    """How many keys all have together, and how many of each another has too; None where not all were read whole."""
    engine = inquiry.engine
    if len(contenders) < 2 or not all(one.whole for one in contenders):
        return None, {}
    own = [one.keys.mutate(who=ibis.literal(index, "int64")) for index, one in enumerate(contenders)]
    held = engine.hold(ibis.union(*own))
    spread = engine.hold(held.group_by("key").aggregate(n=held.count()))
    total = engine.count(spread)
    common = held.semi_join(spread.filter(spread["n"] > 1), "key")
    rows = engine.rows(common.group_by("who").aggregate(n=common.count()))
    return total, dict.fromkeys(range(len(contenders)), 0) | {row["who"]: row["n"] for row in rows}


def _freshness(changed: datetime | None, now: datetime) -> float | None:
    return None if changed is None else 0.5 ** (max(0.0, (now - changed).total_seconds()) / HALF_LIFE_S)


def _scored(one: Candidate, taken: Sequence[str]) -> Candidate:
    return one.model_copy(update={"score": sum(getattr(one, m) for m in taken) / len(taken) if taken else None})


def _leads(ranked: Sequence[Candidate]) -> bool:
    first, second = (one.score for one in ranked[:2]) if len(ranked) > 1 else (None, None)
    return first is not None and second is not None and first - second >= _NOTICEABLE


def _reasons(ranked: Sequence[Candidate], taken: Sequence[str]) -> list[Reason]:
    """How the first compares with the best of the others, the greatest difference first."""
    if len(ranked) < 2:
        return []
    made = [
        Reason(
            measure=measure,
            value=getattr(ranked[0], measure),
            others=max(getattr(one, measure) for one in ranked[1:]),
        )
        for measure in taken
    ]
    return sorted(made, key=lambda reason: (-abs(reason.value - reason.others), reason.measure))
