"""The state of a parallel workflow: plain JSON, small, and written anew only where it changed.

What each branch came to is in the ledger. The state has where the graph is, and the sums.
"""

from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.channels import Topic
from langgraph.graph.message import add_messages

VERSION = 1

# Waves that the timeline shows; the journal has all.
TIMELINE = 20


class Input(TypedDict, total=False):
    """What a workflow is given: `task_queue` has branches, `sync_points` where they meet, as plain mappings.

    Without branches, the last of `messages` is a question, which research branches are made of.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    task_queue: list[dict[str, Any]]
    sync_points: list[dict[str, Any]]


class Share(TypedDict):
    """Branches of one priority that are sent to their worker with one `Send`."""

    worker: str
    keys: list[str]


class ParallelState(Input, total=False):
    """Where a workflow is.

    `task_queue`, `sync_points` and `branch_dependencies` are written once. `active_branches` are those of the last
    wave, by who was sent them together; `completed_branches` counts those that ended, by how. `sync` says of each sync
    point where it stands. `load_balancing` has the workers' loads, `branch_performance` measures each kind of branch.
    `result` is what the workflow came to.
    """

    version: int
    workflow_id: str
    mode: dict[str, Any]
    branch_dependencies: dict[str, int]
    active_branches: list[Share]
    arrivals: Annotated[list[list[str]], Topic]
    completed_branches: dict[str, int]
    sync: dict[str, dict[str, Any]]
    timeline: list[dict[str, Any]]
    load_balancing: dict[str, dict[str, float]]
    branch_performance: dict[str, dict[str, float]]
    checkpoint_data: dict[str, int]
    monitoring: dict[str, Any]
    merged: dict[str, Any]
    validation: dict[str, Any]
    result: dict[str, Any]


class Sent(TypedDict):
    """What a worker's node is sent: which branches it is about. The rest is on the board."""

    keys: list[str]
