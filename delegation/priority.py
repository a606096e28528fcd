"""How urgent work is."""

from enum import IntEnum


class Priority(IntEnum):
    """How urgent work is, from the least to the most. The number is its weight where work is weighed."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4
    EMERGENCY = 5
