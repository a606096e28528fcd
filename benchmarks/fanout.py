"""Durable no-op branches: Crewline, LangGraph's one superstep of plain Sends, DBOS, Prefect, Dagster.

    python benchmarks/fanout.py [--branches 20000] [--runs 1] [--json]
        [--curve 1000,20000,100000] [--against dbos,prefect,dagster]

Each branch's outcome is committed before it counts. Crewline and LangGraph run with sync durability on an embedded
PostgreSQL of the benchmark's own, DBOS on the same server, Prefect and Dagster on what they bring; peers get a fan-out
of 1,000, and environments of their own under the folder. All run in processes of their own, in turns, after a few
branches to warm up; shown are the medians. Milliseconds are of the wall, for each branch, with all that a graph costs
besides; with `--json`, the last line of output is an object of what was measured. `--curve` measures Crewline at
several sizes, in turns.

Fails unless Crewline is, per branch, at least 3 times as fast as the superstep (at 20,000 and above), 5 times DBOS and
Prefect, 20 times Dagster; and, with a curve, within 1.2 times the cost of the smallest size at each, in time and bytes.

Seen on 2 quiet cores, one run: Crewline 0.40 ms at 1,000, 0.46 at 20,000, 0.44 at 100,000 (1.15 and 1.11 times the
first; of which 0.31, 0.39, 0.37 ms of processor time, and 119, 113, 113 bytes); the superstep 1.66. In an earlier run
DBOS took 3.24, Prefect 6.09 and Dagster 30.4.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from environments import environment, measured

from core.store.server import start_server

HERE = Path(__file__).parent
PEERS = {
    "dbos": ["dbos>=3,<4"],
    # Later versions of FastAPI do not have what Prefect's server asks of them.
    "prefect": ["prefect>=3.8,<3.9", "fastapi<0.145"],
    "dagster": ["dagster>=1.13,<1.14"],
}
PEER_BRANCHES = 1_000
# How many times as fast Crewline is to be.
LEAST = {"langgraph": 3.0, "dbos": 5.0, "prefect": 5.0, "dagster": 20.0}
# Below this many, one superstep is not slow yet.
MANY = 20_000
FLAT = 1.2

Found = dict[str, Any]


def main() -> None:
    options = _options()
    with server(Path(options.folder)) as postgres:
        curve = _curve(postgres, [int(size) for size in options.curve.split(",") if size], options.runs)
        found = _fanout(postgres, Path(options.folder), options)
    for name, of in sorted(found.items(), key=lambda item: item[1]["ms_per_branch"]):
        _line(name, of, found["crewline"]["ms_per_branch"])
    for size, of in curve.items():
        _line(f"crewline, {size:,}", of, found["crewline"]["ms_per_branch"])
    if curve:
        found["curve"] = {str(size): of for size, of in curve.items()}
    failed = _failed(found, curve)
    for word in failed:
        print(f"NOT HELD: {word}")
    if options.json:
        print(json.dumps(found))
    if failed:
        sys.exit(1)


def _fanout(postgres: "Server", folder: Path, options: argparse.Namespace) -> dict[str, Found]:
    commands: dict[str, list[str]] = {}
    for name in ("crewline", "langgraph"):
        commands[name] = [sys.executable, str(HERE / "fanout_own.py"), name, str(options.branches)]
    for name in filter(None, options.against.split(",")):
        if python := environment(folder, name, PEERS[name]):
            number = str(min(options.branches, PEER_BRANCHES))
            commands[name] = [python, str(HERE / f"fanout_{name}.py"), number, "{url}" if name == "dbos" else "{home}"]
    results: dict[str, list[Found]] = {name: [] for name in commands}
    for _ in range(options.runs):
        for name, command in commands.items():
            if (of := postgres.measured(name, command)) is not None:
                results[name].append(of)
    return {name: medians(of) for name, of in results.items() if of}


def _curve(postgres: "Server", sizes: list[int], runs: int) -> dict[int, Found]:
    results: dict[int, list[Found]] = {size: [] for size in sizes}
    for _ in range(runs):
        for size in sizes:
            command = [sys.executable, str(HERE / "fanout_own.py"), "crewline", str(size)]
            if (of := postgres.measured(f"crewline, {size:,}", command)) is not None:
                results[size].append(of)
    return {size: medians(of) for size, of in results.items() if of}


def _failed(found: dict[str, Found], curve: dict[int, Found]) -> list[str]:
    own = found["crewline"]
    words = []
    for name, least in LEAST.items():
        if name in found and (name != "langgraph" or own["branches"] >= MANY):
            ratio = found[name]["ms_per_branch"] / own["ms_per_branch"]
            if ratio < least:
                words.append(f"{ratio:.1f} times as fast as {name}, {least:g} is asked")
    smallest = curve[min(curve)] if curve else {}
    for size, of in curve.items():
        if (ratio := of["ms_per_branch"] / smallest["ms_per_branch"]) > FLAT:
            words.append(f"a branch of {size:,} costs {ratio:.2f} times one of {min(curve):,}, {FLAT} is the most")
        each = of["checkpoint_bytes"] / size
        if (ratio := each / (smallest["checkpoint_bytes"] / min(curve))) > FLAT:
            words.append(f"a branch of {size:,} takes {ratio:.2f} times the bytes of one of {min(curve):,}")
    return words


def medians(results: list[Found]) -> Found:
    """The median of each measure; of memory the most."""
    middle = {name: statistics.median(of[name] for of in results) for name in results[0]}
    return {**middle, "memory_mb": max(of["memory_mb"] for of in results), "branches": results[0]["branches"]}


def _line(name: str, of: Found, own: float) -> None:
    size = f"{of['checkpoint_bytes'] / of['branches']:6.0f}" if "checkpoint_bytes" in of else f"{'':6}"
    work = f"{of['cpu_ms_per_branch']:8.3f}" if "cpu_ms_per_branch" in of else f"{'':8}"
    print(
        f"{name:18} {of['branches']:8,} branches {of['ms_per_branch']:9.3f} ms each {of['ms_per_branch'] / own:6.1f}x"
        f" processor {work} ms, checkpoints {size} bytes each, {of['memory_mb']:6,} MB"
    )


class Server:
    """The benchmark's own PostgreSQL, and where its processes put what they write."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home

    def measured(self, name: str, command: list[str]) -> Found | None:
        """What a process measured, on a database of its own; the command's `{url}` and `{home}` are filled."""
        with self.database() as url:
            filled = [argument.format(url=url, home=self.home) for argument in command]
            return measured(name, filled, self.surroundings(url))

    def surroundings(self, url: str) -> dict[str, str]:
        """The environment of a process that uses this database."""
        path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
        settings = {"CREWLINE_HOME": str(self.home), "CREWLINE_DATABASE_URL": url, "PYTHONPATH": path}
        return {**os.environ, **settings}

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database of its own, dropped at the end."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE fanout")
            try:
                yield urlunsplit(urlsplit(self.url)._replace(path="/fanout"))
            finally:
                connection.execute("DROP DATABASE fanout WITH (FORCE)")


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """An embedded PostgreSQL under the folder, until the end."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="fanout-", dir=folder))
    # The server is another user where root starts it, and must get there.
    home.chmod(0o755)
    started = start_server(home / "postgres")
    try:
        yield Server(started.get_uri(), home)
    finally:
        started.cleanup()
        shutil.rmtree(home, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--branches", type=int, default=MANY)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--curve", default="", help="measure Crewline at these numbers of branches too")
    parser.add_argument("--folder", default=str(Path(tempfile.gettempdir()) / "crewline-benchmarks"))
    parser.add_argument("--against", default="", help=f"some of {','.join(PEERS)}")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON, as the last line")
    return parser.parse_args()


if __name__ == "__main__":
    main()
