"""Which offers win when several lots are sold at once: the winner determination of a combinatorial auction."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import WorkError
from delegation.auction.bid import Offer

# How long the solver may take for each of its two questions, seconds.
BUDGET_S = 10.0

# The greatest score can be so many times the total before it is asked again without it.
_OF_ONE_SIZE = 10.0


def best(offers: Sequence[Offer], capacity: Mapping[str, int]) -> list[Offer]:
    """The offers that win, in their order.

    No lot is in two of them, and nobody's have more lots than its capacity. As many lots as can be are covered; among
    the ways to do so, the total score is the least, to one part in a million. Raises WorkError if that is not
    proven within the budget.
    """
    if not offers:
        return []
    import numpy as np
    from scipy.optimize import LinearConstraint
    from scipy.sparse import csr_array

    lots = sorted({lot for offer in offers for lot in offer.lots})
    bidders = sorted({offer.bidder for offer in offers})
    rows = {name: row for row, name in enumerate([*(("lot", lot) for lot in lots), *(("of", b) for b in bidders)])}
    entries = [(rows["lot", lot], column, 1) for column, offer in enumerate(offers) for lot in offer.lots]
    entries += [(rows["of", offer.bidder], column, len(offer.lots)) for column, offer in enumerate(offers)]
    where, columns, values = zip(*entries, strict=True)
    matrix = csr_array((values, (where, columns)), shape=(len(rows), len(offers)))
    room = LinearConstraint(matrix, ub=np.array([*(1 for _ in lots), *(capacity[b] for b in bidders)]))
    sizes = np.array([len(offer.lots) for offer in offers], dtype=float)
    most = round(float(sizes @ _solved(-sizes, [room])))
    covering = LinearConstraint(csr_array([sizes]), lb=most, ub=most)
    scores = np.array([offer.bid.score for offer in offers])
    # The solver tells scores apart by their share of the greatest that may be chosen. None that is above the total of a
    # solution is in a better one, so it is left out, until those that may be chosen are of one size.
    greatest, total = np.inf, float(scores.max())
    while most and total * _OF_ONE_SIZE < greatest:
        greatest = total
        chosen = _solved(np.minimum(scores / greatest, 1.0), [room, covering], upper=scores <= greatest)
        total = float(scores @ chosen)
    return [offer for offer, taken in zip(offers, chosen, strict=True) if taken] if most else []


def _solved(costs: Any, constraints: Sequence[Any], upper: Any = 1) -> Any:
    """Which of the offers to take, 0 or 1 each, so that the cost is the least."""
    import numpy as np
    from scipy.optimize import Bounds, milp

    options = {"time_limit": BUDGET_S, "mip_rel_gap": 0.0}
    found = milp(
        costs, constraints=constraints, bounds=Bounds(0, upper), integrality=np.ones(len(costs)), options=options
    )
    if found.status != 0:
        raise WorkError(
            f"The winners of an auction of {len(costs)} bids were not found: {found.message}",
            remedy="Put up fewer tasks at a time.",
        )
    return np.round(found.x)
