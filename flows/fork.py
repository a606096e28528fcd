"""Forks of pipelines' runs, and of graphs'."""

from core import run as runs
from core.errors import InputError
from core.journal import events
from core.store.database import Connection, Database
from flows.persistence import state_before
from graphs.fork import Fork, fork_at, locate
from graphs.fork import fork as fork_graph


def fork(database: Database, run_id: str, checkpoint: str, *, new_id: str | None = None) -> Fork:
    """Put a run on record that goes on from a checkpoint of another one, with what that had done by then.

    It publishes to the same target. Raises RunNotFound; InputError for a checkpoint that the run does not have, or
    that it cannot go on from: the graph had ended, the spec was another, the flow's state of then is no longer kept.
    """
    run = runs.get(database, run_id)
    if run.kind == "graph":
        return fork_graph(database, run_id, checkpoint, new_id=new_id)
    place = locate(database, run, checkpoint)
    if any(event.at and event.at > place.at for event in events(database, run_id, kind="spec.changed")):
        raise InputError(
            f"The spec of run {run_id} has changed since checkpoint {checkpoint}.",
            remedy="Fork at a later one, or start a new run with the spec of then.",
        )
    passes = int(place.thread.rpartition("/")[2])
    state = state_before(database, run_id, passes)
    if state is None and passes:
        raise InputError(
            f"The state of run {run_id} in its pass {passes} is no longer kept.",
            remedy=f"Fork at a checkpoint of another thread; see: crewline graph history {run_id}",
        )

    def copy_state(connection: Connection, new_id: str) -> None:
        connection.execute(
            "INSERT INTO flow_states (run_id, method, state) SELECT %s, method, state FROM flow_states"
            " WHERE run_id = %s AND seq = %s",
            (new_id, run_id, state),
        )

    return fork_at(database, place, new_id, copy_state)
