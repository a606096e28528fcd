"""Runs whose sources change, vanish or turn out to be written otherwise, once they were planned."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crewline
from core import crashpoint, journal
from core.errors import CrewlineError, EngineError, Interrupted, OutOfMemory
from core.journal import Event, Listener
from core.report import RunReport
from core.settings import Settings
from core.store import Database
from core.task import Task
from crews import Work
from flows.audit import audit
from flows.pipeline import DataPipelineFlow
from tests.faulty_agents import Given, Worker
from tools.orchestration.history import read

SPEC = """
name: sales
complexity: simple
sources:
  sales:
    kind: csv
    path: data/*.csv
    also_at: [copy/*.csv]
    columns: {id: integer, city: string, amount: integer}
validation: {sales: [{check: not_null, column: city}]}
target: {path: out/sales}
gate: {publish: 0.5, enhance: 0.5, critical_margin: 1}
"""
CHAOS = "CREWLINE_CHAOS" in os.environ
HEADER = "id,city,amount"
CITIES = ("Oslo", "Kyiv", "Malmö")


def write(path: Path, first: int, *, header: str = HEADER, mark: str = ",", encoding: str = "utf-8") -> None:
    """Ten sales from a number on. What is no ASCII begins after the header."""
    path.parent.mkdir(exist_ok=True)
    rows = [f"{n},{CITIES[n % 3]},{n}" for n in range(first, first + 10)]
    path.write_text("\n".join([header, *rows, ""]).replace(",", mark), encoding=encoding)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    write(tmp_path / "data" / "01.csv", 0)
    write(tmp_path / "data" / "02.csv", 10)
    path = tmp_path / "sales.yaml"
    path.write_text(SPEC)
    return path


def at(kind: str, act: Callable[[], object], step: str = "") -> Listener:
    """A listener in which something happens at the first such event."""
    left = [act]

    def listen(event: Event) -> None:
        if event.kind == kind and (event.step or "").startswith(step) and left:
            left.pop()()

    return listen


def run(document: Path, database: Database, listener: Listener | None = None) -> RunReport:
    report = DataPipelineFlow(document, database=database, listener=listener).kickoff()
    assert isinstance(report, RunReport)
    return report


def told(database: Database, run_id: str, kind: str = "replan.made") -> list[str]:
    events = journal.events(database, run_id, kind=kind)
    return [event.data.get("change") or event.data["reason"] for event in events]


def published(document: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(document.parent / "out" / "sales").to_pylist()
    return sorted(rows, key=lambda row: int(row["id"]))


def complete(document: Path, database: Database, report: RunReport, configuration: Settings) -> bool:
    """Twenty sales were published, the account holds, and no step was done twice."""
    done = [event.step for event in journal.events(database, report.run_id, kind="step.committed")]
    assert len(done) == len(set(done))
    assert audit(database, report.run_id, configuration).balanced
    assert report.status == "published", told(database, report.run_id, "replan.")
    expected = [{"id": n, "city": CITIES[n % 3], "amount": n} for n in range(20)]
    return published(document) == expected


def test_latin_1_after_an_ascii_header_is_read_as_it_is_written(
    document: Path, database: Database, configuration: Settings
) -> None:
    second = document.parent / "data" / "02.csv"
    write(second, 10, encoding="latin-1")
    report = run(document, database)
    assert report.route == "retry"
    assert complete(document, database, report, configuration)
    assert told(database, report.run_id) == [
        f"ingestion/sales/1 reads {second}, with encoding 'latin-1', as it is written: it has all columns"
    ]


@pytest.mark.parametrize(
    ("before", "options", "way", "how"),
    [
        (
            True,
            {"mark": ";"},
            "read as written",
            " as it is now, with delimiter ';', as it is written: it has all columns",
        ),
        (
            False,
            {"header": "ID;CITY;amount", "mark": ";"},
            "read by names",
            " as it is now, with delimiter ';', as it is written, with id from ID, city from CITY: of ID, the names"
            " have the same words, and 100% of its values are integer; of CITY, the names have the same words, and 100%"
            " of its values are string",
        ),
    ],
    ids=("another delimiter", "other names too"),
)
def test_a_replaced_file_is_read_as_it_is_now(
    document: Path,
    database: Database,
    configuration: Settings,
    before: bool,
    options: dict[str, Any],
    way: str,
    how: str,
) -> None:
    """Before a round it is seen by what the round needs; after that by the task, which fails."""
    second = document.parent / "data" / "02.csv"
    moment = ("step.committed", "assignment") if before else ("round.started", "")
    report = run(document, database, at(moment[0], lambda: write(second, 10, **options), moment[1]))
    assert report.route == ("publish" if before else "retry")
    assert complete(document, database, report, configuration)
    (made,) = journal.events(database, report.run_id, kind="replan.made")
    assert (made.step, made.data["failure"], made.data["way"]) == ("ingestion/sales/1", "data", way)
    assert made.data["change"] == f"ingestion/sales/1 reads {second}{how}"


def test_a_task_whose_files_are_all_replaced_tells_each_of_them_once(
    document: Path, database: Database, configuration: Settings
) -> None:
    files = [document.parent / "data" / f"0{n}.csv" for n in range(1, 7)]
    for number, file in enumerate(files):
        write(file, 10 * number)

    def replace() -> None:
        for number, file in enumerate(files):
            write(file, 10 * number, mark=";")

    report = run(document, database, at("step.committed", replace, "assignment"))
    assert (report.status, report.records.out) == ("published", 60)
    assert audit(database, report.run_id, configuration).balanced
    changed = told(database, report.run_id)
    assert [sum(str(file) in line for line in changed) for file in files] == [1] * 6
    recorded = read(database, report.run_id)
    assert recorded.plan is not None
    assert len(recorded.plan.amendments) == 6
    assert any(len(recorded.plan.parts_of(task)) > 1 for task in recorded.plan.tasks if task.stage == "ingestion")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda file: write(file, 10, header="id,town,amount"),
            "{file} has no column city: none of its columns is city beyond doubt",
        ),
        (lambda file: file.write_text(""), "{file} is empty"),
    ],
    ids=("another column", "empty"),
)
def test_what_is_not_clear_is_refused_with_the_reason(
    document: Path, database: Database, change: Callable[[Path], object], reason: str
) -> None:
    second = document.parent / "data" / "02.csv"
    report = run(document, database, at("round.started", lambda: change(second)))
    assert (report.status, report.route) == ("failed", "fail")
    assert told(database, report.run_id, "replan.refused") == [reason.format(file=second)]


def test_a_file_that_vanishes_is_read_from_the_other_place_and_rows_say_which(
    document: Path, database: Database, configuration: Settings
) -> None:
    """The file of the same name: a row of it that is quarantined is told with the place that it was read from."""
    second, copy = (document.parent / folder / "02.csv" for folder in ("data", "copy"))
    write(copy, 10)
    copy.write_text(copy.read_text() + "20,,20\n")
    write(document.parent / "copy" / "03.csv", 30)
    report = run(document, database, at("round.started", second.unlink))
    assert complete(document, database, report, configuration)
    assert told(database, report.run_id) == [f"ingestion/sales/1 reads {copy}, as {second} is gone: it has all columns"]
    (path,) = audit(database, report.run_id, configuration).left
    (row,) = pq.read_table(path).to_pylist()
    assert (row["file"], row["record"], row["rule"]) == (str(copy), 11, "not_null(city)")
    history = read(database, report.run_id)
    assert history.plan is not None
    assert [part.path for part in history.plan.parts["sales"]] == [str(document.parent / "data" / "01.csv"), str(copy)]
    page = Path(crewline.report(report.run_id, document.parent / "page.html").path).read_text()
    for said in (
        "replan.analysed <bdi>ingestion/sales/1</bdi>",
        "read elsewhere",
        f"ingestion/sales/1 reads {copy}, as",
    ):
        assert said in page


def test_where_one_way_fails_too_the_next_is_tried(document: Path, database: Database, configuration: Settings) -> None:
    """The copy goes while it is about to be read; the file itself is back by then, with other names."""
    second, copy = (document.parent / folder / "02.csv" for folder in ("data", "copy"))
    write(copy, 10)

    def swap() -> None:
        copy.unlink()
        write(second, 10, header="id,city,AMOUNT")

    begun = [second.unlink, swap]

    def listen(event: Event) -> None:
        if event.kind == "round.started" and begun:
            begun.pop(0)()

    report = run(document, database, listen)
    assert report.route == "retry,retry"
    assert complete(document, database, report, configuration)
    events = journal.events(database, report.run_id, kind="replan.made")
    assert [event.data["way"] for event in events] == ["read elsewhere", "read by names"]


@pytest.mark.parametrize(
    ("point", "moment"),
    [
        ("step.commit.after gate/0", ("round.started", "")),
        ("step.commit.after replan/0", ("step.committed", "assignment")),
    ],
)
def test_an_amendment_survives_a_crash(
    document: Path,
    database: Database,
    configuration: Settings,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    moment: tuple[str, str],
) -> None:
    """After the gate decided on it, and after it was found before the round."""
    second = document.parent / "data" / "02.csv"
    crashed = []

    def hook(name: str) -> None:
        if name == point and started:
            crashed.append(name)
            crashpoint.hook = None
            raise Interrupted("The process is gone.")

    started: list[None] = []

    def replaced() -> None:
        write(second, 10, header="id,city,AMOUNT")
        started.append(None)

    flow = DataPipelineFlow(document, database=database, listener=at(moment[0], replaced, moment[1]))
    monkeypatch.setattr(crashpoint, "hook", hook)
    with pytest.raises(CrewlineError):
        flow.kickoff()
    assert crashed == [point]
    report = DataPipelineFlow(run_id=flow.run_id, database=database).kickoff()
    assert complete(document, database, report, configuration)
    assert len(told(database, flow.run_id)) == 1


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "postgres"])
def test_other_kinds_of_sources_are_read_by_other_names_too(
    tmp_path: Path, database: Database, database_url: str, configuration: Settings, kind: str
) -> None:
    rows = [{"id": n, "city": CITIES[n % 3], "amount": n} for n in range(20)]

    def put(*, name: str = "city") -> None:
        named = [{"id": row["id"], name: row["city"], "amount": row["amount"]} for row in rows]
        if kind == "jsonl":
            (tmp_path / "sales.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in named))
        elif kind == "parquet":
            pq.write_table(pa.Table.from_pylist(named), tmp_path / "sales.parquet")
        else:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("DROP TABLE IF EXISTS sales")
                connection.execute(f'CREATE TABLE sales (id int PRIMARY KEY, "{name}" text, amount int)')
                with connection.cursor() as cursor:
                    cursor.executemany("INSERT INTO sales VALUES (%s, %s, %s)", [tuple(row.values()) for row in named])

    document = tmp_path / "sales.yaml"
    place = "table: sales" if kind == "postgres" else f"path: sales.{kind}"
    text = SPEC.replace("    path: data/*.csv\n    also_at: [copy/*.csv]\n", f"    {place}\n")
    document.write_text(text.replace("kind: csv", f"kind: {kind}"))
    put()
    report = run(document, database, at("round.started", lambda: put(name="City")))
    assert complete(document, database, report, configuration)
    (made,) = journal.events(database, report.run_id, kind="replan.made")
    assert made.data["way"] == "read by names"
    assert "with city from City: of City, the names have the same words" in made.data["change"]


# What may happen to a file that was not read yet, and whether there is a way to read it then.
TROUBLES: dict[str, bool] = {
    **{"touched": True, "written otherwise": True, "called otherwise": True, "moved": True, "spoiled": True},
    **{"unclear": False, "gone": False},
}


def befall(trouble: str, folder: Path, number: int) -> None:
    file, copy, first = folder / "data" / f"0{number}.csv", folder / "copy" / f"0{number}.csv", 10 * (number - 1)
    if trouble in ("moved", "gone"):
        file.unlink()
    if trouble in ("moved", "spoiled"):
        write(copy, first)
    if trouble in ("spoiled", "unclear"):
        write(file, first, header="no,town,euros")
    if trouble == "touched":
        write(file, first)
    if trouble == "written otherwise":
        write(file, first, mark=";", encoding="latin-1")
    if trouble == "called otherwise":
        write(file, first, header="Id,city,AMOUNT")


@pytest.mark.parametrize("seed", range(60) if CHAOS else (7, 10, 29))
def test_a_run_is_published_whenever_there_is_a_way_and_does_nothing_twice(
    tmp_path: Path, database: Database, configuration: Settings, seed: int
) -> None:
    """Files suffer in the first rounds; then who is to do the next stage is at a loss, or short of memory."""
    chance = random.Random(seed)
    for number in (1, 2, 3, 4):
        write(tmp_path / "data" / f"0{number}.csv", 10 * (number - 1))
    document = tmp_path / "sales.yaml"
    level, rule = chance.choice(["simple", "standard"]), "{rule: derive, columns: {double: amount * 2}}"
    text = SPEC.replace("complexity: simple", f"complexity: {level}").replace(
        "publish: 0.5", "retries: 5, publish: 0.5"
    )
    document.write_text(f"{text}transformation: {{sales: [{rule}]}}\n")
    likely = [3.0 if way else 0.5 for way in TROUBLES.values()]
    to_come = {n: (chance.randrange(4), chance.choices([*TROUBLES], likely)[0]) for n in (1, 2, 3, 4)}
    rounds, read_, suffered = 0, set[str](), list[str]()

    def listen(event: Event) -> None:
        nonlocal rounds
        if event.kind == "step.committed" and event.step:
            read_.add(event.step)
        if event.kind == "round.started":
            shards = sum(task.startswith("ingestion/") for task in event.data["tasks"])
            for number, (due, trouble) in to_come.items():
                shard = next(s for s in range(shards) if number <= (s + 1) * 4 // shards)
                if due == rounds and f"ingestion/sales/{shard}" not in read_:
                    befall(trouble, tmp_path, number)
                    suffered.append(trouble)
            rounds += 1

    def fails(task: Task, work: Work) -> None:
        if at_fault == "lost":
            raise EngineError("The agent is at a loss.")
        if at_fault == "short" and sum(ref.rows for ref in work.inputs) / task.shards > most:
            raise OutOfMemory("Too little memory.")

    at_fault, most = chance.choice(["lost", "short", ""]), 20 if level == "simple" else 5
    worker = Worker("worker", fails)
    flow = DataPipelineFlow(document, database=database, listener=listen, agents=[worker], assigner=Given(worker))
    report = flow.kickoff()
    story = "\n".join([str(to_come), *told(database, flow.run_id, "replan.")])
    assert (report.status == "published") == all(TROUBLES[trouble] for trouble in suffered), story
    steps = [(e.kind, e.step) for e in journal.events(database, flow.run_id, kind="step.")]
    for place, (kind, step) in enumerate(steps):
        assert kind != "step.committed" or ("step.started", step) not in steps[place:], f"{step} again:\n{story}"
    assert audit(database, flow.run_id, configuration).balanced, story
    if report.status == "published":
        assert [(row["id"], row["double"]) for row in published(document)] == [(n, 2 * n) for n in range(40)]
