"""Attempts at branches made by hand, for tests of workers alone."""

import json
from pathlib import Path
from typing import Any

from core.stop import Stop
from graphs.branch import Branch
from graphs.worker import Attempt, Result, Worker


def performed(worker: Worker, kind: str, folder: Path, stop: Stop | None = None, **payload: Any) -> Result:
    """What the worker returns for a branch of this kind and payload, once through JSON and back."""
    branch = Branch(key=f"{kind}/1", kind=kind, payload=payload)
    answer = worker.perform(branch, Attempt(run_id="r", number=1, stop=stop or Stop(), folder=folder))
    assert isinstance(answer, Result)
    assert json.loads(json.dumps(dict(answer.values), allow_nan=False)) == answer.values
    return answer
