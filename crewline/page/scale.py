"""The time axis of a picture: pauses are drawn short, all else in proportion."""

from collections.abc import Iterable
from datetime import datetime, timedelta

# Times without any work, longer than so many seconds and this share of all work, are drawn as a gap of this width.
_LONGEST_S = 1.0
_SHARE = 0.12
_GAP = 44.0

_STEPS = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
)


class Scale:
    """From moments to places between `left` and `right`. `gaps` are the times that are drawn short."""

    def __init__(self, busy: Iterable[tuple[datetime, datetime]], left: float, right: float) -> None:
        runs = _merged(busy)
        worked = sum((end - start).total_seconds() for start, end in runs)
        longest = max(_LONGEST_S, _SHARE * worked)
        self.segments = [runs[0]]
        for start, end in runs[1:]:
            if (start - self.segments[-1][1]).total_seconds() > longest:
                self.segments.append((start, end))
            else:
                self.segments[-1] = (self.segments[-1][0], end)
        self.start = runs[0][0]
        self._gap = min(_GAP, (right - left) * 0.4 / max(1, len(self.segments) - 1))
        seconds = sum((end - start).total_seconds() for start, end in self.segments) or 1e-3
        self._per_s = (right - left - self._gap * (len(self.segments) - 1)) / seconds
        self._left, self._right = left, right

    @property
    def gaps(self) -> list[tuple[datetime, datetime, float, float]]:
        """Each gap: from when to when, and where it is drawn."""
        ends = zip(self.segments, self.segments[1:], strict=False)
        return [(one[1], other[0], self.at(one[1]), self.at(other[0])) for one, other in ends]

    def at(self, moment: datetime) -> float:
        """Where a moment is drawn."""
        x = self._left
        for index, (start, end) in enumerate(self.segments):
            if moment <= end:
                if moment < start:
                    # Within a gap.
                    return x - self._gap / 2 if index else x
                return x + (moment - start).total_seconds() * self._per_s
            x += (end - start).total_seconds() * self._per_s + self._gap
        return self._right

    def ticks(self, apart: float = 84.0) -> list[tuple[float, float]]:
        """Places for labels, at least so far apart, and the seconds since the start that they stand for."""
        step = next((s for s in _STEPS if s * self._per_s >= apart), apart / self._per_s)
        found: list[tuple[float, float]] = []
        for start, end in self.segments:
            since = (start - self.start).total_seconds()
            until = (end - self.start).total_seconds()
            number = -(-since // step)
            while number * step <= until and len(found) < 60:
                x = self.at(self.start + timedelta(seconds=number * step))
                if not found or x - found[-1][0] >= apart * 0.7:
                    found.append((x, number * step))
                number += 1
        return found


def _merged(busy: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    runs: list[tuple[datetime, datetime]] = []
    for start, end in sorted(busy):
        if runs and start <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((start, end))
    return runs
