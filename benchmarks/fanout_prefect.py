"""Durable no-op tasks in Prefect, on a server of its own: `fanout_prefect.py BRANCHES FOLDER`.

A flow submits the tasks to its threads and waits for all; the server, in its own process, keeps each task's states.
"""

import json
import os
import resource
import sys
import time
import uuid
from pathlib import Path

WARM = 20


def main() -> None:
    branches, folder = int(sys.argv[1]), Path(sys.argv[2])
    home = folder / f"prefect-{uuid.uuid4().hex[:8]}"
    os.environ.update(
        PREFECT_HOME=str(home),
        PREFECT_LOGGING_LEVEL="ERROR",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="true",
        DO_NOT_TRACK="1",
    )
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    @task(persist_result=True)
    def nothing(n: int) -> int:
        return n

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=16))
    def fan_out(number: int) -> int:
        return sum(future.result() >= 0 for future in [nothing.submit(n) for n in range(number)])

    fan_out(WARM)
    began = time.perf_counter()
    assert fan_out(branches) == branches
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms_per_branch": 1000 * seconds / branches, "memory_mb": round(memory), "branches": branches}))


if __name__ == "__main__":
    main()
