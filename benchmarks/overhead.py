"""What Crewline adds to LangGraph per task, and what it costs to resume a large run that was killed half way.

    python benchmarks/overhead.py [--branches 20000] [--runs 1] [--json]

All do the same durable no-op branches in the same waves, with sync durability, on an embedded PostgreSQL of the
benchmark's own. LangGraph alone keeps no ledger: with as many Sends as Crewline, which is what the difference is
measured to, and with a Send for each branch, as one writes it plainly. Then a run is killed with SIGKILL when half of
it is done, and resumed in another process. Fails if a branch was done twice, or not at all. Seconds of the
resumed run begin when its process has imported what it needs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from environments import measured
from fanout import HERE, Found, Server, medians, server

from core.store import Database

RUN = "killed"


def main() -> None:
    options = _options()
    with server(Path(options.folder)) as postgres:
        found: dict[str, Any] = _compared(postgres, options.branches, options.runs)
        found["resume"] = _resumed(postgres, options.branches)
    own, alone, resumed = found["crewline"], found["langgraph_shared"], found["resume"]
    plain = found["langgraph_in_waves"]
    for name, of in (("Crewline", own), ("LangGraph, shared", alone), ("LangGraph, plain", plain)):
        print(
            f"{name:20} {of['ms_per_branch']:7.3f} ms each, processor {of['cpu_ms_per_branch']:.3f} here and"
            f" {of['server_cpu_ms_per_branch']:.3f} in the server, {of['checkpoint_bytes'] / of['branches']:.0f} bytes"
        )
    found["added_ms_per_branch"] = round(own["ms_per_branch"] - alone["ms_per_branch"], 4)
    found["added_cpu_ms_per_branch"] = round(own["cpu_ms_per_branch"] - alone["cpu_ms_per_branch"], 4)
    print(f"{'added':20} {found['added_ms_per_branch']:7.3f} ms each, processor {found['added_cpu_ms_per_branch']:.3f}")
    print(
        f"Resumed after {resumed['done_before']:,} of {options.branches:,}: the first new branch was done after"
        f" {resumed['first_branch_s']:.2f} s, all after {resumed['seconds']:.2f} s; {resumed['begun_again']} were at"
        " work when it was killed and were begun again, none was done twice"
    )
    if options.json:
        print(json.dumps(found))


def _compared(postgres: Server, branches: int, runs: int) -> dict[str, Found]:
    results: dict[str, list[Found]] = {"crewline": [], "shares": [], "waves": []}
    for _ in range(runs):
        for name, of in results.items():
            one = postgres.measured(name, [sys.executable, str(HERE / "fanout_own.py"), name, str(branches)])
            if one is None:
                raise SystemExit(1)
            of.append(one)
    names = {"crewline": "crewline", "shares": "langgraph_shared", "waves": "langgraph_in_waves"}
    return {names[name]: medians(of) for name, of in results.items()}


def _resumed(postgres: Server, branches: int) -> dict[str, Any]:
    with postgres.database() as url:
        surroundings = postgres.surroundings(url)
        command = [sys.executable, str(HERE / "overhead_run.py"), RUN]
        database = Database(url, wait_s=30).open()
        try:
            before = _killed(database, [*command, "start", str(branches)], surroundings, branches // 2)
            found = measured("the resumed run", [*command, "resume"], surroundings)
            if found is None:
                raise SystemExit(1)
            return {**found, "done_before": before, **_told(database, branches)}
        finally:
            database.close()


def _killed(database: Database, command: list[str], surroundings: dict[str, str], half: int) -> int:
    """Start a run, kill its process once half is done, and return how many branches were."""
    process = subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL)
    try:
        while (done := _done(database)) < half:
            if process.poll() is not None:
                raise SystemExit(f"the run ended by itself, with {done} branches done")
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    return _done(database)


def _done(database: Database) -> int:
    steps = database.query(
        "SELECT count(*) AS n FROM steps WHERE run_id = %s AND status = 'done' AND starts_with(step_key, 'branch/')",
        (RUN,),
    )
    return int(steps[0]["n"])


def _told(database: Database, branches: int) -> dict[str, Any]:
    """What the journal has of the resumed run: all was done, and nothing twice."""
    committed = database.query(
        "SELECT count(*) AS times, count(DISTINCT step) AS branches FROM journal"
        " WHERE run_id = %s AND kind = 'step.committed' AND starts_with(step, 'branch/')",
        (RUN,),
    )[0]
    assert committed["branches"] == branches, f"{committed['branches']} of {branches} were done"
    assert committed["times"] == branches, f"{committed['times'] - branches} branches were done twice"
    first = database.query(
        "WITH claimed AS (SELECT seq, at FROM journal WHERE run_id = %(run)s AND kind = 'run.claimed'"
        " ORDER BY seq DESC LIMIT 1)"
        " SELECT extract(epoch FROM min(journal.at - claimed.at))::float AS seconds FROM journal, claimed"
        " WHERE run_id = %(run)s AND kind = 'step.committed' AND starts_with(step, 'branch/')"
        " AND journal.seq > claimed.seq",
        {"run": RUN},
    )[0]["seconds"]
    again = database.query(
        "SELECT count(*) AS n FROM steps WHERE run_id = %s AND starts_with(step_key, 'branch/') AND attempt > 1", (RUN,)
    )[0]["n"]
    return {"first_branch_s": round(first, 3), "begun_again": again}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--branches", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--folder", default=str(Path(tempfile.gettempdir()) / "crewline-benchmarks"))
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON, as the last line")
    return parser.parse_args()


if __name__ == "__main__":
    main()
