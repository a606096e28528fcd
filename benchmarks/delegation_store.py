"""The parts of benchmarks/delegation.py that need a store, each with a PostgreSQL of its own."""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core import run as runs
from core.errors import AtCapacity
from core.lease import claim as take_run
from core.report import Quality, Records, RunReport
from core.spec import loads
from core.store import Database
from core.store.server import start_server
from delegation import AgentCard, Claim, Monitor, Workload
from delegation.approvals import ask, decide, get

SOURCE = "{kind: csv, path: o.csv, columns: {a: string}}"


def workload(agents: int = 200, rounds: int = 300) -> None:
    """One process, then two at once on few agents; and what asking for the loads of all costs."""
    with _server() as url:
        database = Database(url, wait_s=5).open()
        with Workload(database) as mine:
            mine.register(AgentCard(id=f"agent_{number}") for number in range(agents))
            claims, releases = _turns(mine, agents, rounds)
            print(f"workload: {agents} agents; milliseconds")
            _tell("claim", claims)
            _tell("release", releases)
            for number in range(10 * agents // 2):
                mine.claim(Claim(agent=f"agent_{number % agents}", task=f"task/{number}"))
            _tell("load of one", [_timed(lambda: mine.load("agent_0")) for _ in range(200)])
            _tell(f"loads of all, {10 * agents // 2} claims", [_timed(mine.loads) for _ in range(20)])
        context = multiprocessing.get_context("spawn")
        with context.Pool(2) as pool:
            began = time.perf_counter()
            held = pool.starmap(_contend, [(url, rounds)] * 2)
            seconds = time.perf_counter() - began
        print(f"  two processes on two agents: {sum(held) / seconds:.0f} claims and releases a second, start included")
        database.close()


def approvals(requests: int = 200) -> None:
    """Filing, looking at, and deciding, each a transaction of its own."""
    with _server() as url:
        database = Database(url, wait_s=5).open()
        took: dict[str, list[float]] = {"ask": [], "get": [], "decide": []}
        for number in range(requests):
            began = time.perf_counter()
            seen = {"number": number}
            asked = ask(database, f"task {number}", seen=seen, reason="a rule", asked_by="a", path=["Ada"])
            took["ask"].append(1e3 * (time.perf_counter() - began))
            took["get"].append(_timed(lambda asked=asked: get(database, asked.approval)))
            took["decide"].append(
                _timed(lambda asked=asked: decide(database, asked.approval, approved=True, by="Ada", reason="so"))
            )
        print(f"approvals: {requests} requests; milliseconds")
        for name, values in took.items():
            _tell(name, values)
        database.close()


def monitor(pipelines: int = 50, of_each: int = 20) -> None:
    """A pass over pipelines with runs on record, of which every tenth fails: first with its alerts new, then not."""
    with _server() as url:
        database = Database(url, wait_s=5).open()
        for number in range(pipelines):
            spec = loads(f"{{name: p{number}, sources: {{o: {SOURCE}}}, target: {{path: o}}}}")
            for turn in range(of_each):
                identity = f"p{number}-{turn}"
                runs.create(database, identity, spec, base_dir="/data", document=None)
                report = RunReport(
                    run_id=identity, status="published", quality=Quality(overall=1.0), records=Records(rows_in=10_000)
                )
                lease = take_run(database, identity, lease_s=60)
                status = "failed" if number % 10 == 0 else "published"
                lease.release(status, report=report.model_dump(mode="json", by_alias=True))
        with tempfile.TemporaryDirectory() as home:
            watch = Monitor(database, Path(home))
            first = time.perf_counter()
            raised = len(watch.check().raised)
            first = 1e3 * (time.perf_counter() - first)
            print(f"monitor: {pipelines} pipelines with {of_each} runs each; milliseconds")
            print(f"  first pass, {raised} alerts raised: {first:.0f}")
            _tell("pass after it", [_timed(watch.check) for _ in range(10)])
        database.close()


def _turns(mine: Workload, agents: int, rounds: int) -> tuple[list[float], list[float]]:
    claims, releases = [], []
    for number in range(rounds):
        claim = Claim(agent=f"agent_{number % agents}", task=f"task/{number}")
        claims.append(_timed(lambda claim=claim: mine.claim(claim)))
        releases.append(_timed(lambda claim=claim: mine.release(claim)))
    return claims, releases


def _contend(url: str, rounds: int) -> int:
    database = Database(url, wait_s=5).open()
    done = 0
    with Workload(database) as mine:
        for number in range(rounds):
            try:
                with mine.held(Claim(agent=f"agent_{number % 2}", task=f"task/{number}")):
                    done += 1
            except AtCapacity:
                continue
    database.close()
    return done


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


def _tell(name: str, values: list[float]) -> None:
    print(f"  {name:34} median {statistics.median(values):7.2f}  95% {statistics.quantiles(values, n=20)[-1]:7.2f}")


@contextmanager
def _server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        # The server is another user where root starts it.
        Path(home).chmod(0o755)
        server = start_server(Path(home) / "postgres")
        yield server.get_uri()
        server.cleanup()
