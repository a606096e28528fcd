"""40 checks on TPC-H lineitem: Crewline against hand-written DuckDB queries, and against other tools.

    python benchmarks/quality.py [--scale 1] [--runs 3] [--folder DIR] [--against pandera,soda,dbt,great_expectations]

Everything runs on the same file in a process of its own, in turns; shown are the medians, the ratio to the single
scan, and the most memory that a process held. Other tools are installed from PyPI into environments of their own
under the folder; one that cannot be installed is left out, and said so. Fails unless Crewline

- takes at most 1.5 times as long as each of the two hand-written queries, which count the same,
- and is faster than every other tool that ran, in no more memory than the leanest.

Seconds are those of the work, in a process that has imported what it needs and has never touched the file.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from environments import environment

HERE = Path(__file__).parent
OTHERS = {
    "pandera": ["pandera[polars]"],
    "soda": ["soda-core-duckdb"],
    # Later versions fetch a part of themselves from elsewhere while they are installed.
    "dbt": ["dbt-core>=1.9,<1.10", "dbt-duckdb>=1.9,<1.10"],
    "great_expectations": ["great_expectations", "duckdb-engine"],
}
MOST = 1.5


def main() -> None:
    options = _options()
    folder = Path(options.folder)
    data = _lineitem(folder, options.scale)
    contenders = {name: [sys.executable, str(HERE / "quality_own.py"), name] for name in ("crewline", "scan", "tuned")}
    for name in filter(None, options.against.split(",")):
        if python := environment(folder, name, OTHERS[name]):
            contenders[name] = [python, str(HERE / f"quality_{name}.py"), name]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _ in range(options.runs):
        for name, command in contenders.items():
            if (found := _measured([*command, str(data), str(folder)])) is not None:
                results[name].append(found)
    seconds = {name: statistics.median(r["seconds"] for r in of) for name, of in results.items() if of}
    memory = {name: max(r["memory_mb"] for r in of) for name, of in results.items() if of}
    print(f"{'':20} {'seconds':>8} {'ratio':>6} {'MB':>6}")
    for name in sorted(seconds, key=seconds.__getitem__):
        print(f"{name:20} {seconds[name]:8.2f} {seconds[name] / seconds['scan']:6.2f} {memory[name]:6.0f}")
    _held(seconds, memory, results)


def _held(seconds: dict[str, float], memory: dict[str, float], results: dict[str, list[dict[str, float]]]) -> None:
    counts = {name: of[0]["failed"] for name, of in results.items() if of and name in ("crewline", "scan", "tuned")}
    assert len(set(counts.values())) == 1, f"they count different rows: {counts}"
    for name in ("scan", "tuned"):
        assert seconds["crewline"] <= MOST * seconds[name], f"more than {MOST} times the hand-written query ({name})"
    others = seconds.keys() & OTHERS.keys()
    for name in others:
        assert seconds["crewline"] < seconds[name], f"slower than {name}"
    if others:
        leanest = min(others, key=memory.__getitem__)
        assert memory["crewline"] <= memory[leanest], f"more memory than {leanest}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale; 1 is 6 million rows")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", default=str(Path(tempfile.gettempdir()) / "crewline-benchmarks"))
    parser.add_argument("--against", default="", help=f"some of {','.join(OTHERS)}")
    return parser.parse_args()


def _lineitem(folder: Path, scale: float) -> Path:
    place = folder / f"tpch-{scale:g}"
    file = place / "lineitem.parquet"
    if not file.exists():
        place.mkdir(parents=True, exist_ok=True)
        generator = Path(sys.executable).parent / "tpchgen-cli"
        asked = ["parquet", "--scale-factor", f"{scale:g}", "--tables", "lineitem", "--output-dir", str(place)]
        subprocess.run([generator, *asked], check=True, capture_output=True)
    return file


def _measured(command: list[str]) -> dict[str, float] | None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{command[2]} failed: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
        return None
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
