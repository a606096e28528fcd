"""Durable no-op ops in Dagster, mapped over a dynamic output, in one process: `fanout_dagster.py BRANCHES FOLDER`.

The in-process executor, with an instance that keeps its events on disk; a process for each op would be far slower.
"""

import json
import os
import resource
import sys
import time
import uuid
from pathlib import Path

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"

from dagster import DagsterInstance, DynamicOut, DynamicOutput, in_process_executor, job, op

WARM = 5


@op(config_schema={"branches": int}, out=DynamicOut())
def numbers(context):  # type: ignore[no-untyped-def]
    for n in range(context.op_config["branches"]):
        yield DynamicOutput(n, mapping_key=str(n))


@op
def nothing(n: int) -> int:
    return n


@job(executor_def=in_process_executor)
def fan_out() -> None:
    numbers().map(nothing)


def work(branches: int, instance: DagsterInstance) -> float:
    began = time.perf_counter()
    config = {"ops": {"numbers": {"config": {"branches": branches}}}, "loggers": {"console": {"config": {}}}}
    config["loggers"]["console"]["config"]["log_level"] = "CRITICAL"  # type: ignore[index]
    assert fan_out.execute_in_process(run_config=config, instance=instance).success
    return time.perf_counter() - began


def main() -> None:
    branches, folder = int(sys.argv[1]), Path(sys.argv[2])
    home = folder / f"dagster-{uuid.uuid4().hex[:8]}"
    home.mkdir(parents=True)
    with DagsterInstance.local_temp(str(home)) as instance:
        work(WARM, instance)
        seconds = work(branches, instance)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms_per_branch": 1000 * seconds / branches, "memory_mb": round(memory), "branches": branches}))


if __name__ == "__main__":
    main()
