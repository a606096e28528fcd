"""Durable no-op steps in DBOS, on PostgreSQL: `fanout_dbos.py BRANCHES URL`.

Its smallest durable task is a step. A workflow starts them together; each is recorded before it returns.
"""

import asyncio
import json
import resource
import sys
import time
import uuid

from dbos import DBOS

WARM = 100
# Steps at work at a time, as many as a wave of Crewline's.
WIDTH = 256


@DBOS.step()
async def nothing(n: int) -> int:
    return n


@DBOS.workflow()
async def fan_out(branches: int) -> int:
    done = 0
    for first in range(0, branches, WIDTH):
        done += len(await asyncio.gather(*(nothing(n) for n in range(first, min(first + WIDTH, branches)))))
    return done


async def work(branches: int) -> float:
    await fan_out(WARM)
    began = time.perf_counter()
    assert await fan_out(branches) == branches
    return time.perf_counter() - began


def main() -> None:
    branches, url = int(sys.argv[1]), sys.argv[2]
    DBOS(config={"name": f"fanout-{uuid.uuid4().hex[:8]}", "system_database_url": url, "run_admin_server": False})
    DBOS.launch()
    seconds = asyncio.run(work(branches))
    DBOS.destroy()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms_per_branch": 1000 * seconds / branches, "memory_mb": round(memory), "branches": branches}))


if __name__ == "__main__":
    main()
