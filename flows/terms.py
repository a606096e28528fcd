"""On what terms a run hands its tasks over: what the policy is told, and what a task may use of the machine."""

from functools import reduce

from core.classification import Classification
from core.task import THRESHOLDS, Task
from delegation import Authority, Rights
from delegation.handover import TASK_TYPES, Terms
from delegation.rules.resources import Resources
from flows.session import Session
from tools.engine.limits import Limits
from tools.orchestration.requirements import limits

# Whoever starts a run may read its data, wherever it lies.
HELD = Rights(roots=("/",), clearance=Classification.RESTRICTED)

# The levels between which a run hands over its tasks.
DELEGATOR = Authority.STAGE_COORDINATOR
DELEGATE = Authority.PIPELINE_COLLABORATOR

_MB_IN_GB = 1000


def terms_of(session: Session, task: Task) -> Terms:
    """The facts for the policy, and rights to this one type of task, this data, and the task's share of the machine."""
    used = limits_of(session, task)
    resources = {"cpu": used.threads, "memory": used.memory_mb / _MB_IN_GB}
    classification = classification_of(session)
    context = {
        "scope": "stage",
        "quality_threshold": min(THRESHOLDS.values()),
        "classification": classification,
        "resources": resources,
    }
    asked = HELD.model_copy(
        update={
            "clearance": classification,
            "task_types": frozenset({TASK_TYPES[task.stage]}),
            "resources": Resources(**resources),
        }
    )
    return Terms(context, HELD, asked)


def classification_of(session: Session) -> Classification:
    """The classification of the run's data."""
    return session.spec.governance.classification or Classification.INTERNAL


def limits_of(session: Session, task: Task, *, alone: bool = False) -> Limits:
    """The share of the machine that the task's stage gets, or with `alone` all of it: no more than rules allow."""
    share = session.limits if alone else limits(task.stage, task.shards, session.threads, session.memory_mb)
    # The least that any rule for such a hand-over allows.
    rules = session.rules.candidates(DELEGATOR, DELEGATE, TASK_TYPES[task.stage])
    bound = reduce(lambda one, other: one & other, (rule.limits for rule in rules), Resources())
    return Limits(
        threads=share.threads if bound.cpu is None else max(1, min(share.threads, int(bound.cpu))),
        memory_mb=share.memory_mb if bound.memory is None else min(share.memory_mb, int(bound.memory * _MB_IN_GB)),
    )
