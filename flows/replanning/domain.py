"""The domain of ways out: what can be changed about a task that failed, so that it may be done. Registered as `rescue`.

Facts: `failed(place, kind)`; `alone()` where tasks run alone already; `pieces(place, n)` for the next number of pieces
that a task's rows could be worked on in; `able(place, agent)` for another agent who could do it, and has not tried.
"""

from graphs.planning import Action, Domain, Method, register
from graphs.planning.term import Term

NAME = "rescue"


def _way(task: Term, seconds: float, success: float, risk: str, *needs: Term) -> Action:
    """A change, what it costs beyond doing the task again, how probable it is that it helps, and why it may not."""
    return Action(task, needs=needs, duration_s=seconds, success=success, risk=risk)


def _helps(kind: str, name: str, change: Term, *needs: Term, unless: tuple[Term, ...] = ()) -> Method:
    return Method(
        ("rescue", "?place"), name=name, needs=[("failed", "?place", kind), *needs], unless=unless, subtasks=[change]
    )


_PIECES: Term = ("pieces", "?place", "?n")
_ABLE: Term = ("able", "?place", "?agent")

register(
    Domain(NAME).add(
        _way(("pause", "?place"), 1.0, 0.8, "what was away may be away still"),
        _way(("run alone", "?place"), 2.0, 0.7, "the whole machine may be too little"),
        _way(("work in pieces", "?place", "?n"), 5.0, 0.7, "a piece may be too large still", _PIECES),
        _way(("give to", "?place", "?agent"), 3.0, 0.6, "the other agent may fail too", _ABLE),
        _helps("transient", "waiting for what was away", ("pause", "?place")),
        _helps("resource", "giving it the whole machine", ("run alone", "?place"), unless=(("alone",),)),
        _helps("resource", "taking fewer rows at a time", ("work in pieces", "?place", "?n"), ("alone",), _PIECES),
        _helps("logic", "asking another agent", ("give to", "?place", "?agent"), _ABLE),
    )
)
