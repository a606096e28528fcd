"""The stream processor: every record is read at least once, whatever ends between, and no more at a time than asked."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import journal
from core.errors import InputError, Refused, SourceError
from core.ledger import check_account
from core.stop import Stop
from core.store import Database
from core.task import Outcome
from crews.registry import Job, assemble, default_registry
from crews.registry.builtin import offsets
from crews.registry.builtin.stream import StreamProcessor
from graphs import Order, run_assembly
from tools.context import ToolContext
from tools.engine.limits import Limits

_numbers = iter(range(10**6))


def job(database: Database, source: str, folder: Path) -> Job:
    path = folder / f"work-{next(_numbers)}"
    path.mkdir(parents=True)
    context = ToolContext(agent="tester", roots=(str(folder), *([source] if "://" in source else [])))
    began = datetime.now(UTC)
    return Job("events", source, None, path, Limits(), Stop(), began, context, database)


def performed(database: Database, source: str, folder: Path, **configuration: object) -> Outcome:
    outcome = StreamProcessor(**configuration).perform(job(database, source, folder))  # type: ignore[arg-type]
    check_account(outcome)
    return outcome


def values(outcome: Outcome, column: str = "n") -> list[str | None]:
    assert outcome.output is not None
    return [row.get(column) for path in outcome.output.paths for row in pq.ParquetFile(path).read().to_pylist()]


def lines(*numbers: int) -> str:
    return "".join(f'{{"n": {number}}}\n' for number in numbers)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a.jsonl", "b.jsonl"]), st.integers(0, 5), st.booleans()), min_size=1, max_size=6
    ),
    batch=st.integers(1, 4),
)
def test_a_folder_that_grows_is_read_at_least_once_and_once_where_nothing_went_wrong(
    database: Database, tmp_path: Path, steps: list[tuple[str, int, bool]], batch: int
) -> None:
    """Files grow, and what was read is confirmed, or lost in a crash before it was."""
    folder = tmp_path / f"stream-{next(_numbers)}"
    folder.mkdir()
    written, seen, confirmed, number = list[str](), list[str](), list[str](), 0
    processor = StreamProcessor(batch=batch, batches=100)
    for name, grows, survives in [*steps, ("a.jsonl", 0, True)]:
        with (folder / name).open("a") as file:
            file.write(lines(*range(number, number + grows)))
        written += map(str, range(number, number + grows))
        number += grows
        try:
            outcome = processor.perform(job(database, str(folder), tmp_path))
        except SourceError:
            # There is nothing new.
            assert set(seen) == set(written)
            continue
        got = [value for value in values(outcome) if value is not None]
        seen += got
        assert (outcome.result or {})["batches"] >= len(got) / batch
        if survives:
            processor.confirm(database, outcome)
            processor.confirm(database, outcome)
            confirmed += got
    assert sorted(confirmed, key=int) == written
    assert set(seen) == set(written)


def test_a_line_counts_once_it_has_ended_and_what_is_no_record_is_kept_aside(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "stream"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"n": 1}\n[2]\n{"n": 3, "late": "x"}\n{"_row": 4}\n{"n": 5')
    outcome = performed(database, str(folder), tmp_path)
    assert (outcome.rows.rows_in, outcome.rows.rows_out, outcome.rows.quarantined) == (4, 2, 2)
    assert values(outcome) == ["1", "3"]
    assert outcome.left is not None
    told = pq.ParquetFile(outcome.left.paths[0]).read().to_pylist()
    assert [row["record"] for row in told] == ["[2]", '{"_row": 4}']
    assert "a.jsonl, up to byte 13" in told[0]["reason"]
    StreamProcessor().confirm(database, outcome)
    with (folder / "a.jsonl").open("a") as file:
        file.write("}\n")
    assert values(performed(database, str(folder), tmp_path)) == ["5"]
    # Another reader begins at the beginning.
    assert values(performed(database, str(folder), tmp_path, reader="other")) == ["1", "3", "5"]


def test_micro_batches_are_bounded_and_a_key_that_comes_late_is_there_in_all(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "stream"
    folder.mkdir()
    (folder / "a.jsonl").write_text(lines(1, 2, 3) + '{"n": 4, "late": "x"}\n' + lines(5, 6, 7))
    first = performed(database, str(folder), tmp_path, batch=2, batches=2)
    assert (values(first), values(first, "late")) == (["1", "2", "3", "4"], [None, None, None, "x"])
    assert first.output is not None
    assert [pq.read_metadata(path).num_rows for path in first.output.paths] == [2, 2]
    assert list(first.output.columns) == ["n", "late"]
    StreamProcessor().confirm(database, first)
    assert values(performed(database, str(folder), tmp_path, batch=2, batches=1)) == ["5", "6"]
    declared = performed(database, str(folder), tmp_path, columns=("late",))
    assert (values(declared), values(declared, "late")) == ([None] * 3, [None] * 3)


def test_a_stream_that_is_none_or_shrank_or_is_outside_is_told(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "stream"
    with pytest.raises(SourceError, match="it is no folder"):
        performed(database, str(folder), tmp_path)
    folder.mkdir()
    with pytest.raises(Refused, match="outside of the allowed roots"):
        performed(database, "/etc", tmp_path)
    with pytest.raises(InputError, match="is no stream"):
        performed(database, "s3://bucket/x", tmp_path)
    (folder / "a.jsonl").write_text(lines(1, 2))
    StreamProcessor().confirm(database, performed(database, str(folder), tmp_path))
    (folder / "a.jsonl").write_text(lines(1))
    with pytest.raises(SourceError, match=r"a\.jsonl is shorter than what was read of it"):
        performed(database, str(folder), tmp_path)


@pytest.fixture(scope="module")
def brokers() -> tuple[Producer, str]:
    """A cluster with a broker that listens on a port of this machine, for as long as its producer lives."""
    producer = Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": 1, "log_level": 0})
    found = producer.list_topics(timeout=10).brokers.values()
    return producer, ",".join(f"{broker.host}:{broker.port}" for broker in found)


def test_an_assembly_reads_a_topic_on_from_where_the_last_that_ended_well_had_got_to(
    database: Database, tmp_path: Path, brokers: tuple[Producer, str]
) -> None:
    producer, at = brokers
    place = f"kafka://{at}/events"

    def send(*numbers: int) -> None:
        for number in numbers:
            producer.produce("events", json.dumps({"n": number}).encode(), partition=number % 2)
        assert producer.flush(10) == 0

    def run(check: dict[str, object]) -> list[str | None]:
        overrides = {"data_validation": {"checks": [check]}}
        plan = assemble(default_registry(), ["stream_processing", "data_validation"], overrides=overrides)
        context = ToolContext(agent="tester", roots=(str(tmp_path), place))
        report = run_assembly(database, Order(plan=plan, dataset="events", source=place, context=context))
        assert report.balanced
        if report.status == "failed":
            return []
        return sorted(row["n"] for path in report.output for row in pq.ParquetFile(path).read().to_pylist())

    send(*range(6))
    assert run({"check": "not_null", "column": "gone"}) == []
    assert run({"check": "between", "column": "n", "min": 2}) == [2, 3, 4, 5]
    send(6, 7)
    assert run({"check": "not_null", "column": "n"}) == [6, 7]
    assert offsets.of(database, place, "default") == {"0": 4, "1": 4}
    told = journal.events(database, None, kind="stream.confirmed")
    assert [event.data["positions"] for event in told] == [{"0": 3, "1": 3}, {"0": 4, "1": 4}]
