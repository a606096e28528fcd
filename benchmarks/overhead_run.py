"""A run of no-op branches to be killed, and to be resumed: `overhead_run.py RUN start BRANCHES`, `... RUN resume`."""

import json
import sys
import time
import warnings

from fanout_own import of, workflow

from core.store import open_database
from graphs import resume, run

warnings.filterwarnings("ignore", category=DeprecationWarning)


def main() -> None:
    name, what = sys.argv[1:3]
    database = open_database()
    try:
        began = time.perf_counter()
        if what == "start":
            run(workflow(), of(int(sys.argv[3])), run_id=name, database=database)
        else:
            resume(workflow(), name, database=database)
        print(json.dumps({"seconds": round(time.perf_counter() - began, 3)}))
    finally:
        database.close()


if __name__ == "__main__":
    main()
