"""What evidence says of cells and texts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A cell that is judged wrong: its row (from 0) and column (its number), and what to put there.

    `after` is None where nothing tells the right value: then the cell is flagged and left as it is. `rule` names the
    kind of evidence, `reason` says it in words. `confidence` is a share of cases, each module says which.
    """

    row: int
    column: int
    after: str | None
    rule: str
    reason: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is judged of a distinct text of a column: the text that is meant (None if nothing tells), and how surely."""

    meant: str | None
    confidence: float


def succession(successes: float, trials: float) -> float:
    """Laplace's rule: the chance of another success after so many among trials, (s + 1) / (n + 2)."""
    return (successes + 1) / (trials + 2)
