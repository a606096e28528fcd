"""How much at a time: what the branches are like, and what the machine has free (systems G1)."""

import os
from collections.abc import Sequence

import psutil
from pydantic import BaseModel, ConfigDict

from graphs.branch import Branch

# Branches at a time, by mode.
WIDTH = {"parallel": 5, "adaptive": 3, "sequential": 1}

_MUCH = 20
_MANY_KINDS = 4


class Mode(BaseModel):
    """The mode, how many branches at a time it means, and what it was decided by (each 0 to 1)."""

    model_config = ConfigDict(frozen=True)

    name: str
    width: int
    complexity: float
    interdependency: float
    free_cpu: float


def mode_of(branches: Sequence[Branch], free_cpu: float) -> Mode:
    """parallel where complexity > 0.8 and free CPU > 0.7; else sequential where interdependency > 0.6; else adaptive.

    Complexity is the mean of the number of branches over 20 and the number of kinds over 4, each at most 1.
    Interdependency is the share of branches that need others.
    """
    n = len(branches)
    complexity = (min(1.0, n / _MUCH) + min(1.0, len({b.kind for b in branches}) / _MANY_KINDS)) / 2
    interdependency = sum(bool(b.needs) for b in branches) / n if n else 0.0
    if complexity > 0.8 and free_cpu > 0.7:
        name = "parallel"
    elif interdependency > 0.6:
        name = "sequential"
    else:
        name = "adaptive"
    cores = psutil.cpu_count() or 1
    # Of tasks that share an engine more than twice the cores only wait for one another.
    width = min(WIDTH[name], 2 * cores)
    return Mode(
        name=name,
        width=width,
        complexity=round(complexity, 3),
        interdependency=round(interdependency, 3),
        free_cpu=round(free_cpu, 3),
    )


def free_cpu() -> float:
    """The share of the machine's cores that were idle over the last minute, 0 to 1."""
    return max(0.0, 1.0 - os.getloadavg()[0] / (psutil.cpu_count() or 1))
