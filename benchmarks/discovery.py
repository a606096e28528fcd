"""How fast the catalog is: a search among a million datasets, a crawl of a hundred thousand files, a crawl again.

    python benchmarks/discovery.py [--datasets 1000000] [--files 100000] [--queries 1000]

Everything runs in an embedded PostgreSQL of its own, in a temporary folder. It fails if a search, with the tool's
default filters or without any, takes over 5 ms at the median or 50 ms at the 95th percentile, if a crawl needs more
than the files' footers (their data is overwritten), or if the second crawl reads a file.
"""

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.classification import Classification
from core.settings import Settings
from core.store import Database, open_database
from tools.context import ToolContext
from tools.discovery import DiscoveryRequest, crawl, discover, pieces
from tools.discovery.adapters import Part
from tools.discovery.dataset import Column, Description, SourceType
from tools.discovery.pieces import Found
from tools.discovery.search import Filters, search
from tools.discovery.vocabulary import understand

SEED = 11
BATCH = 2000

DOMAINS = ["customer", "product", "transaction", "inventory", "shipment", "employee", "marketing", "finance"]
SYLLABLES = (
    *("ba", "co", "da", "fe", "gi", "ho", "ka", "lu", "me", "no", "pa", "ri", "so", "ta", "ve", "zu", "tra", "con"),
    *("ment", "pro", "sal", "ver", "ship", "tor", "ling", "mar", "quen", "dex"),
)
TYPES = ["int64", "string", "float64", "timestamp", "date", "decimal(10, 2)"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1_000)
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="crewline-bench-", dir=os.environ.get("TMPDIR")))
    database = open_database(Settings(home=home, database_url=None))
    try:
        if arguments.files:
            crawls(database, home / "lake", arguments.files)
        if arguments.datasets:
            searches(database, arguments.datasets, arguments.queries)
    finally:
        database.close()
        shutil.rmtree(home, ignore_errors=True)


def crawls(database: Database, folder: Path, files: int) -> None:
    """Files of a hundred schemas in folders of a thousand, a tenth of them partitions of one dataset."""
    _make_files(folder, files)
    first = crawl(str(folder), database)
    assert (first.read, first.failures) == (files, []), first
    again = crawl(str(folder), database)
    assert (again.read, again.unchanged, again.described) == (0, files, 0), again
    rows = database.query("SELECT sum((facts ->> 'rows')::bigint) AS rows FROM catalog_pieces")[0]["rows"]
    assert rows == files * 1000, rows
    print(f"crawl of {files:,} Parquet files, footers only: {first.duration_s:.1f} s", end=", ")
    print(f"{first.described:,} datasets; {files / first.duration_s:,.0f} files/s")
    print(
        f"crawl again, no file read: {again.duration_s:.1f} s, 1/{first.duration_s / again.duration_s:.0f} of the first"
    )


def searches(database: Database, datasets: int, queries: int) -> None:
    """One to three words of a dataset that there is; a fifth of them begun only, a tenth with a typo."""
    random_ = random.Random(SEED)
    words = _vocabulary(random_)
    began = time.monotonic()
    names = _fill(database, random_, words, datasets)
    print(
        f"catalog of {datasets:,} datasets made in {time.monotonic() - began:.0f} s, {len(words):,} words", flush=True
    )

    asked = [_query(random_, names) for _ in range(queries)]
    for query, _ in asked[:50]:
        _search(database, query, Filters())
    plain = [_timed(lambda query=query: _search(database, query, Filters())) for query, _ in asked]
    filters = Filters(
        source_types=[SourceType.DATA_LAKE, SourceType.DATA_WAREHOUSE, SourceType.STREAMING],
        domains=["customer", "product", "transaction"],
        quality=0.8,
    )
    filtered = [_timed(lambda query=query: _search(database, query, filters)) for query, _ in asked]
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    trips = [_timed(lambda: database.query("SELECT 1")) for _ in asked]
    ratio = statistics.median(plain) / statistics.median(trips)
    print(f"a search at the median takes as long as {ratio:.0f} queries of SELECT 1")
    _tell("search", plain)
    _tell("search with the default filters", filtered)
    typos = [(query, meant) for query, meant in asked if meant]
    right = sum(understand(database, query)[0].corrected == meant for query, meant in typos)
    print(f"misspelt words taken for the right one: {right / max(1, len(typos)):.0%} of {len(typos)}")
    _answers(database, [query for query, _ in asked[:50]])
    _hold(plain)
    _hold(filtered)


def _answers(database: Database, queries: Sequence[str]) -> None:
    """Whole answers, with compatibility and governance; and the same once more, from the cache."""
    context = ToolContext(roots=("bench://warehouse",), clearance=Classification.RESTRICTED)
    requests = [DiscoveryRequest(query=query, source_types=[], domains=[], quality_threshold=0) for query in queries]
    _tell("whole answer", [_timed(lambda r=r: discover(r, context, database)) for r in requests])
    _tell("whole answer, cached", [_timed(lambda r=r: discover(r, context, database)) for r in requests])


def _search(database: Database, query: str, filters: Filters) -> int:
    return search(database, understand(database, query), filters, 10).found


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _tell(what: str, times: Sequence[float]) -> None:
    print(f"{what}: median {statistics.median(times):.1f} ms, 95th percentile {_percentile(times):.1f} ms")


def _hold(times: Sequence[float]) -> None:
    assert statistics.median(times) < 5, f"median {statistics.median(times):.1f} ms"
    assert _percentile(times) < 50, f"95th percentile {_percentile(times):.1f} ms"


def _percentile(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _vocabulary(random_: random.Random) -> list[str]:
    made = {"".join(random_.choices(SYLLABLES, k=random_.randint(2, 4))) for _ in range(8000)}
    return DOMAINS + sorted(made, key=lambda word: random_.random())


def _fill(database: Database, random_: random.Random, words: list[str], count: int) -> list[list[str]]:
    """Names of words by Zipf's law: few words are in very many names, most in few."""
    weights = [1 / (rank + 5) for rank in range(len(words))]
    source = "bench://warehouse"
    pieces.begin(database, source)
    names = []
    for start in range(0, count, BATCH):
        found = []
        for number in range(start, min(start + BATCH, count)):
            name = random_.choices(words, weights, k=random_.randint(2, 3))
            names.append(name)
            description = _description(random_, words, f"{source}/{'_'.join(name)}_{number}", "_".join(name))
            found.append(Found(Part(description.location, "1"), [description], None))
        pieces.store(database, source, found, [])
        pieces.assemble(database, source)
    pieces.end(database, source, None)
    pieces.settle(database, many=True)
    return names


def _description(random_: random.Random, words: list[str], location: str, name: str) -> Description:
    columns = {f"{random_.choice(words[:500])}_{random_.choice(('id', 'at', 'name', 'amount'))}" for _ in range(6)}
    return Description(
        location=location,
        name=name,
        source_type=random_.choice(list(SourceType)),
        format="table",
        columns=tuple(
            Column(name=column, type=random_.choice(TYPES), null_share=random_.random() ** 4)
            for column in sorted(columns)
        ),
        rows=random_.randrange(1_000_000),
    )


def _query(random_: random.Random, names: list[list[str]]) -> tuple[str, str | None]:
    """A query, and the word that its first one was before a typo came into it."""
    name = random_.choice(names)
    words = name[: random_.randint(1, len(name))]
    kind = random_.random()
    if kind < 0.2:
        return " ".join([*words[:-1], words[-1][:5]]), None
    if kind < 0.3:
        place = random_.randrange(1, len(words[0]) - 1)
        typo = words[0][:place] + words[0][place + 1] + words[0][place] + words[0][place + 2 :]
        return " ".join([typo, *words[1:]]), words[0] if typo != words[0] else None
    return " ".join(words), None


def _make_files(folder: Path, files: int) -> None:
    """Written once for each schema and copied. The data pages are overwritten, so that who reads them would notice."""
    contents = []
    for schema in range(100):
        table = pa.table({f"c{schema}_{n}": pa.array(range(1000), pa.int64()) for n in range(4)})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        content = bytearray(sink.getvalue().to_pybytes())
        footer = int.from_bytes(content[-8:-4], "little") + 8
        content[4:-footer] = bytes(len(content) - footer - 4)
        contents.append(bytes(content))
    for number in range(files):
        if number % 10 == 0:
            place = folder / "events" / f"day={number // 10_000}" / f"part-{number}.parquet"
            content = contents[0]
        else:
            place = folder / f"team{number // 1000}" / f"table{number}.parquet"
            content = contents[number % 100]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


if __name__ == "__main__":
    main()
