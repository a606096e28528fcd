"""The domain of ways out: what can be changed about a task that failed, so that it may be done. Registered as `rescue`.

The tasks are `rescue(place)`, and `reread(place, part)` for a part of a source that cannot be read as it was planned.

Facts: `wants(place, what)`, where nothing helps against lost files; `alone()` where tasks run alone already;
`pieces(place, n)` for the next number of pieces that a task's rows could be worked on in; `able(place, agent)` for
another agent who could do it, and has not tried; `repairable(place, dataset)` where the data that it is made of may be
repaired; `garbage()` where attempts came to nothing. Of parts: `open(place, part, way)` for each way of reading one
that is open, and was not tried.
"""

from graphs.planning import Action, Domain, Method, register
from graphs.planning.term import Term

NAME = "rescue"

# The ways of reading a part, those that keep closest to the plan first.
ELSEWHERE, AS_IT_IS, AS_WRITTEN, BY_OTHER_NAMES = "read elsewhere", "read as it is", "read as written", "read by names"


def _way(task: Term, seconds: float, success: float, risk: str, *needs: Term) -> Action:
    """A change, what it costs beyond doing the task again, how probable it is that it helps, and why it may not."""
    return Action(task, needs=needs, duration_s=seconds, success=success, risk=risk)


def _helps(want: str, name: str, change: Term, *needs: Term, unless: tuple[Term, ...] = ()) -> Method:
    return Method(
        ("rescue", "?place"), name=name, needs=[("wants", "?place", want), *needs], unless=unless, subtasks=[change]
    )


def _reading(way: str, seconds: float, success: float, risk: str) -> tuple[Action, Method]:
    open_: Term = ("open", "?place", "?part", way)
    action = _way((way, "?place", "?part"), seconds, success, risk, open_)
    return action, Method(("reread", "?place", "?part"), name=way, needs=[open_], subtasks=[action.task])


_PIECES: Term = ("pieces", "?place", "?n")
_ABLE: Term = ("able", "?place", "?agent")
_REPAIRABLE: Term = ("repairable", "?place", "?dataset")
_REPAIR: Term = ("repair", "?place", "?dataset")

register(
    Domain(NAME).add(
        _way(("pause", "?place"), 1.0, 0.8, "what was away may be away still"),
        _way(("run alone", "?place"), 2.0, 0.7, "the whole machine may be too little"),
        _way(("work in pieces", "?place", "?n"), 5.0, 0.7, "a piece may be too large still", _PIECES),
        _way(("give to", "?place", "?agent"), 3.0, 0.6, "the other agent may fail too", _ABLE),
        _way(_REPAIR, 5.0, 0.6, "what is wrong may be none of what repair mends", _REPAIRABLE),
        _way(("make room", "?place"), 1.0, 0.6, "what is removed may be too little"),
        _helps("transient", "waiting for what was away", ("pause", "?place")),
        _helps("resource", "giving it the whole machine", ("run alone", "?place"), unless=(("alone",),)),
        _helps("resource", "taking fewer rows at a time", ("work in pieces", "?place", "?n"), ("alone",), _PIECES),
        _helps("room", "removing what came to nothing", ("make room", "?place"), ("garbage",)),
        _helps("logic", "asking another agent", ("give to", "?place", "?agent"), _ABLE),
        _helps("quality", "repairing what it is made of", _REPAIR, _REPAIRABLE),
        _helps("data", "repairing what it is made of", _REPAIR, _REPAIRABLE),
        *_reading(ELSEWHERE, 2.0, 0.9, "the other place may have other data"),
        *_reading(AS_IT_IS, 1.0, 0.85, "it may change again"),
        *_reading(AS_WRITTEN, 1.0, 0.8, "more may be otherwise than it shows"),
        *_reading(BY_OTHER_NAMES, 1.0, 0.7, "a column may be another one than it seems"),
    )
)
