"""The nodes of a parallel workflow, each a step from state to state (systems G1)."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from langgraph.types import interrupt

from core.errors import InputError
from graphs.branch import Branch, SyncPoint, check_branches
from graphs.parallel.board import Board, lost_for_good
from graphs.parallel.dispatch import Dispatch
from graphs.parallel.merge import merge
from graphs.parallel.options import SENDS, WAVE
from graphs.parallel.state import TIMELINE, ParallelState, Share
from graphs.parallel.validation import Verdict, validate

# The kinds of branches that a question is enough for.
QUESTIONS = frozenset({"research.technical", "research.market"})

State = ParallelState
Update = dict[str, Any]


def next_wave(dispatch: Dispatch, state: State) -> Update:
    """parallel_coordinator: whom to send. Those at work are sent again, to be attended by the next wave."""
    dispatch.start_turn()
    board = dispatch.board
    active = [(board.branches[key], dispatch.sent_to[key]) for key in board.taken]
    sent: Counter[str] = Counter()
    for branch in board.take(WAVE - len(active)):
        worker = dispatch.staff.choose(branch, dispatch.sent_to.get(branch.key), sent)
        sent[worker] += 1
        active.append((branch, worker))
    checkpoint = dict(state.get("checkpoint_data", {}))
    checkpoint["waves"] = checkpoint.get("waves", 0) + 1
    return {"active_branches": shares(active), "checkpoint_data": checkpoint}


def shares(active: Sequence[tuple[Branch, str]]) -> list[Share]:
    """A wave's branches as they are sent: each with one Send, or in a large wave neighbours of one priority together.

    Branches are begun in the order in which they are sent, so what is shared must not overtake a higher priority.
    """
    most = math.ceil(len(active) / SENDS)
    made: list[Share] = []
    for _, of_one in groupby(active, key=lambda sent: sent[0].priority):
        neighbours = list(of_one)
        for first in range(0, len(neighbours), most):
            by_worker: dict[str, list[str]] = {}
            for branch, worker in neighbours[first : first + most]:
                by_worker.setdefault(worker, []).append(branch.key)
            made += [Share(worker=worker, keys=keys) for worker, keys in by_worker.items()]
    return made


async def meet(dispatch: Dispatch, state: State, *, ask: bool) -> Update:
    """sync_point_manager: pass the sync points that can be passed, and sum up where all stands."""
    board = dispatch.board
    decisions = {name: dispatch.decision(name) for name in board.syncs if name not in board.closed}
    passing = {name: decision for name, decision in decisions.items() if decision in ("complete", "partial")}
    if ask and passing:
        answer = _asked("sync", ("proceed", "stop"), sync_points=passing, branches=counts(dispatch))
        if answer == "stop":
            passing = dict.fromkeys(passing, "failed")  # type: ignore[arg-type]
    for name, decision in decisions.items():
        decision = passing.get(name, decision)
        if decision in ("complete", "partial", "failed"):
            if decision == "partial":
                for key in board.unfinished(name):
                    await dispatch.give_up(key, f"the sync point {name} goes on without it")
                    if key in board.missing:
                        board.end(key, board.missing[key])
            board.close(name, decision)
            told = {"sync": name, "arrived": board.arrived[name], "branches": len(board.syncs[name].branches)}
            await dispatch.tell(f"sync.{decision}", **told)
    return summed_up(dispatch, state)


def after_meeting(dispatch: Dispatch) -> str:
    """Where the course goes from a sync point."""
    board = dispatch.board
    recover = any(dispatch.decision(name) == "recover" for name in board.syncs if name not in board.closed)
    if board.missing or recover:
        return "load_balancer"
    return "branch_merger" if board.complete else "parallel_coordinator"


async def balance(dispatch: Dispatch, state: State) -> Update:
    """load_balancer: send once more what is missing and worth it; the rest has failed for good."""
    board, again, lost = dispatch.board, [], []
    verdict = state.get("validation")
    if verdict and verdict["decision"] == "revise" and board.complete:
        await dispatch.revise(verdict["again"])
    for name in board.syncs:
        if name not in board.closed and dispatch.decision(name) == "recover":
            for key in board.unfinished(name):
                await dispatch.give_up(key, f"the time of the sync point {name} is up")
            dispatch.wait_again(name)
    for key, outcome in list(board.missing.items()):
        tried = outcome.model_copy(update={"attempt": board.attempts[key]})
        if lost_for_good(tried, dispatch.options.attempts):
            board.end(key, outcome)
            lost.append(key)
        else:
            board.again(key)
            again.append(key)
    if again or lost:
        named = {"again": again[:TIMELINE], "lost": lost[:TIMELINE]}
        await dispatch.tell("branches.missing", **named, branches=len(again) + len(lost))
    return summed_up(dispatch, state)


def merged(dispatch: Dispatch) -> Update:
    """branch_merger: what the branches found together."""
    dispatch.board.give_up_rest()
    return {"merged": merge(dispatch.board.last_words).model_dump(mode="json")}


async def validated(dispatch: Dispatch, *, ask: bool) -> Update:
    """quality_validator: whether it will do."""
    dispatch.board.give_up_rest()
    verdict = validate(dispatch.board.last_words, dispatch.options, dispatch.revisions)
    if ask:
        answer = _asked("validation", ("proceed", "approve", "stop"), **verdict.model_dump(mode="json"))
        if answer != "proceed":
            decision = "approve" if answer == "approve" else "critical"
            verdict = Verdict(decision=decision, quality=verdict.quality, reason=f"a person said {answer}")
    await dispatch.tell("graph.validated", **verdict.model_dump(mode="json", exclude={"again"}))
    return {"validation": verdict.model_dump(mode="json")}


def after_validation(state: State) -> str:
    return "load_balancer" if state["validation"]["decision"] == "revise" else "final_integrator"


def integrated(dispatch: Dispatch, state: State) -> Update:
    """final_integrator: what it came to."""
    dispatch.board.give_up_rest()
    words = dispatch.board.last_words
    ended = Counter(outcome.status for outcome in words.values())
    partial = "partial" in dispatch.board.closed.values() or ended["done"] < len(words)
    critical = state["validation"]["decision"] == "critical"
    status = "failed" if critical else "partial" if partial else "done"
    quality = state["validation"]["quality"]
    return {"result": {"status": status, "branches": dict(ended), "quality": quality}, "active_branches": []}


def queued(state: State, question_kinds: Sequence[str]) -> tuple[list[Branch], list[SyncPoint]]:
    """The branches and sync points of the input, checked. Raises InputError."""
    try:
        branches = [Branch.model_validate(branch) for branch in state.get("task_queue") or ()]
        syncs = [SyncPoint.model_validate(sync) for sync in state.get("sync_points") or ()]
    except ValueError as error:
        raise InputError(
            f"The task queue is wrong: {error}.", remedy="See docs/graphs.md for a branch's fields."
        ) from error
    messages = state.get("messages")
    if not branches and messages:
        question = str(messages[-1].text)
        branches = [Branch(key=kind, kind=kind, payload={"query": question}) for kind in question_kinds]
    check_branches(branches, syncs)
    return branches, syncs


def _asked(about: str, answers: tuple[str, ...], **told: Any) -> str:
    """Wait for a person's answer; ask once more after one that is none of these."""
    question = {"about": about, "answers": list(answers), **told}
    answer = interrupt(question)
    while answer not in answers:
        answer = interrupt({**question, "refused": str(answer)})
    return str(answer)


def pass_again(board: Board, state: State) -> None:
    """The sync points that were passed before stay so: a board that was built anew does not know of them."""
    for name, told in state.get("sync", {}).items():
        if told["status"] != "open" and name in board.syncs and name not in board.closed:
            board.close(name, told["status"])


def counts(dispatch: Dispatch) -> dict[str, int]:
    return dict(dispatch.board.counts)


def summed_up(dispatch: Dispatch, state: State) -> Update:
    board = dispatch.board
    wave = {
        "wave": state.get("checkpoint_data", {}).get("waves", 0),
        "sent": sum(len(of["keys"]) for of in state.get("active_branches", ())),
        "ended": len(board.outcomes),
    }
    return {
        "completed_branches": counts(dispatch),
        "sync": {
            name: {
                "arrived": board.arrived[name],
                "branches": len(sync.branches),
                "status": board.closed.get(name, "open"),
            }
            for name, sync in board.syncs.items()
        },
        "timeline": [*state.get("timeline", ()), wave][-TIMELINE:],
        "load_balancing": {name: load.told() for name, load in dispatch.staff.load.items()},
        "branch_performance": {kind: dict(measured) for kind, measured in dispatch.performance.items()},
        "monitoring": {"ready": board.has_ready, "missing": len(board.missing), "at_work": len(board.taken)},
    }
