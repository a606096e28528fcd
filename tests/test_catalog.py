"""The catalog: what crawls make of it, what survives them, what a search finds in it."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3fs import S3FileSystem

from core.classification import Classification
from core.errors import InputError, Interrupted, SourceError
from core.stop import Stop
from core.store import Database
from tools.discovery import annotate, catalog, crawl, pieces
from tools.discovery.adapters.files import FilesAdapter
from tools.discovery.dataset import SourceType
from tools.discovery.search import CAP, Filters, Hits, _marks, left_out, search
from tools.discovery.vocabulary import understand


def parquet(path: Path, **columns: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Three datasets: a partitioned one, a numbered one, and one file."""
    folder = tmp_path / "lake"
    for day in ("2025-01-01", "2025-01-02"):
        parquet(folder / "orders" / f"day={day}" / "part-0.parquet", order_id=[1, 2], customer_id=[7, 8])
    (folder / "returns_1.csv").write_text("order_id,reason\n1,broken\n2,\n")
    (folder / "returns_2.csv").write_text("order_id,reason\n3,late\n")
    parquet(folder / "customers.parquet", id=[7, 8], emailAddress=["a@b.c", None])
    return folder


def found(database: Database, query: str, filters: Filters | None = None, limit: int = 10) -> Hits:
    return search(database, understand(database, query), filters or Filters(), limit)


def names(hits: Hits) -> list[str]:
    return [row["description"]["name"] for row in hits.best]


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that are read from now on."""
    seen: list[str] = []
    read = FilesAdapter.read

    def watched(self: FilesAdapter, part: str) -> Sequence[Any]:
        seen.append(Path(part).name)
        return read(self, part)

    monkeypatch.setattr(FilesAdapter, "read", watched)
    return seen


def test_a_crawl_again_reads_only_what_has_changed(
    lake: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And puts the dataset that it belongs to together from the old and the new."""
    first = crawl(str(lake), database)
    assert (first.parts, first.read, first.described, first.gone) == (5, 5, 3, 0)
    seen = reads(monkeypatch)
    again = crawl(str(lake), database)
    assert (again.read, again.unchanged, again.described, seen) == (0, 5, 0, [])
    (lake / "returns_2.csv").write_text("order_id,reason\n3,late\n4,cold\n")
    third = crawl(str(lake), database)
    assert (third.read, third.unchanged, third.described, seen) == (1, 4, 1, ["returns_2.csv"])
    assert catalog.find(database, "returns").description.rows == 4


def test_annotations_survive_crawls_and_the_time_in_which_a_dataset_is_gone(lake: Path, database: Database) -> None:
    crawl(str(lake), database)
    annotate(database, "customers", {"owner": "sales", "compliance_tags": "gdpr, ccpa", "classification": "restricted"})
    path = lake / "customers.parquet"
    content = path.read_bytes()
    path.unlink()
    assert crawl(str(lake), database).gone == 1
    assert found(database, "customers email").found == 0
    gone = catalog.find(database, str(path))
    assert gone.gone_at is not None
    path.write_bytes(content)
    crawl(str(lake), database)
    entry = catalog.find(database, "customers")
    assert entry.gone_at is None
    assert entry.annotations.owner == "sales"
    assert entry.annotations.compliance_tags == ("gdpr", "ccpa")
    assert entry.annotations.classification is Classification.RESTRICTED
    assert names(found(database, "gdpr")) == ["customers"]


def test_annotations_are_set_one_by_one_and_taken_away_by_nothing(lake: Path, database: Database) -> None:
    crawl(str(lake), database)
    annotate(database, "customers", {"owner": "sales", "domain": "Customer"})
    entry = annotate(database, "customers", {"owner": "", "retention": "7 years"})
    assert entry.annotations.model_dump(exclude_none=True) == {"domain": "Customer", "retention": "7 years"}
    for values in ({"colour": "red"}, {"classification": "top secret"}, {"domain": "!!"}):
        with pytest.raises(InputError, match="What can be set"):
            annotate(database, "customers", values)
    with pytest.raises(InputError, match="no dataset 'nobody'"):
        annotate(database, "nobody", {"owner": "x"})


def test_a_name_that_two_datasets_have_is_not_enough(lake: Path, database: Database) -> None:
    parquet(lake / "old" / "customers.parquet", id=[1])
    crawl(str(lake), database)
    with pytest.raises(InputError, match="Several datasets"):
        annotate(database, "customers", {"owner": "sales"})
    assert annotate(database, str(lake / "old" / "customers.parquet"), {"owner": "it"}).annotations.owner == "it"


def test_a_source_that_fails_forgets_nothing_and_is_told(lake: Path, database: Database, tmp_path: Path) -> None:
    crawl(str(lake), database)
    lake.rename(tmp_path / "away")
    with pytest.raises(SourceError, match="no such folder"):
        crawl(str(lake), database)
    assert found(database, "email").found == 1
    (failure,) = catalog.failures(database)
    assert failure.source == str(lake)
    (tmp_path / "away").rename(lake)
    crawl(str(lake), database)
    assert catalog.failures(database) == []


def test_a_part_that_cannot_be_read_keeps_what_was_known_and_is_tried_again(lake: Path, database: Database) -> None:
    path = lake / "customers.parquet"
    crawl(str(lake), database)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    (lake / "new.parquet").write_bytes(b"PAR1")
    torn = crawl(str(lake), database)
    assert sorted(Path(failure.part or "").name for failure in torn.failures) == ["customers.parquet", "new.parquet"]
    assert catalog.find(database, "customers").description.rows == 2
    assert len(catalog.failures(database)) == 2
    assert crawl(str(lake), database).read == 2
    path.write_bytes(whole)
    (lake / "new.parquet").unlink()
    assert crawl(str(lake), database).failures == []
    assert catalog.failures(database) == []


def test_crawls_of_one_source_at_the_same_time_leave_what_one_would(lake: Path, database: Database) -> None:
    for number in range(30):
        parquet(lake / f"t{number}x" / "data.parquet", a=[number])
    with ThreadPoolExecutor(4) as pool:
        crawls = [pool.submit(crawl, str(lake), database) for _ in range(4)]
    assert [one.result().failures for one in crawls] == [[]] * 4
    rows = database.query("SELECT count(*) AS n, count(gone_at) AS gone FROM catalog_datasets")[0]
    assert (rows["n"], rows["gone"]) == (33, 0)
    assert database.query("SELECT * FROM catalog_stale") == []
    assert crawl(str(lake), database).read == 0


def test_a_crawl_that_dies_between_reading_and_describing_is_made_good(
    lake: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pieces are stored, their datasets are not put together yet; no file changes before the next crawl."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pieces, "assemble", die)
        with pytest.raises(KeyboardInterrupt):
            crawl(str(lake), database)
    assert found(database, "email").found == 0
    again = crawl(str(lake), database)
    assert (again.read, again.described) == (0, 3)
    assert found(database, "email").found == 1


def test_an_error_that_a_library_raises_of_its_own_is_told_as_the_sources(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store without an address that answers: botocore's error is neither ours nor the system's."""
    for name, value in (
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ):
        monkeypatch.setenv(name, value)
    # It keeps clients by their arguments, which say nothing of the server.
    S3FileSystem.clear_instance_cache()
    with pytest.raises(SourceError, match="lonely"):
        crawl("s3://lonely/raw", database)
    S3FileSystem.clear_instance_cache()
    (failure,) = catalog.failures(database)
    assert failure.source == "s3://lonely/raw"


def test_a_file_whose_name_is_no_text_is_told_and_keeps_no_other_from_being_found(
    lake: Path, database: Database
) -> None:
    (Path(os.fsdecode(os.fsencode(lake) + b"/\xff.csv"))).write_text("a\n1\n")
    (failure,) = crawl(str(lake), database).failures
    assert failure.part == f"{lake}/\\udcff.csv"
    assert found(database, "email").found == 1


def test_a_crawl_stops_when_asked_to(lake: Path, database: Database) -> None:
    stop = Stop()
    stop.request("enough")
    with pytest.raises(Interrupted):
        crawl(str(lake), database, stop)


def test_words_are_found_in_names_columns_and_folders_by_stem_beginning_and_despite_a_typo(
    lake: Path, database: Database
) -> None:
    crawl(str(lake), database)
    assert names(found(database, "customer")) == ["customers", "orders"]
    assert names(found(database, "cust")) == ["customers", "orders"]
    assert names(found(database, "email address")) == ["customers"]
    assert names(found(database, "the reason of returning")) == ["returns"]
    assert [word.corrected for word in understand(database, "custmer retruns xylophone")] == [
        "customer",
        "returns",
        None,
    ]
    assert names(found(database, "retruns")) == ["returns"]
    assert names(found(database, "xylophone")) == []


@pytest.mark.parametrize(
    "query", ["'", "a' | 'b", "\\", "!:*&|<->()", "%s %(x)s", "\0", "\ud800", "ⅷ 数据 données", "x" * 400]
)
def test_a_hostile_query_is_only_words(query: str, lake: Path, database: Database) -> None:
    crawl(str(lake), database)
    assert found(database, query).found >= 0


def test_filters_hold_together_and_say_what_they_leave_out(lake: Path, database: Database) -> None:
    crawl(str(lake), database)
    every = found(database, "id")
    assert sorted(names(every)) == ["customers", "orders", "returns"]
    assert every.by_source == {"data_lake": 2, "file_systems": 1}
    assert every.by_quality == {"high": 2, "medium": 1}
    lakes = Filters(source_types=[SourceType.DATA_LAKE])
    assert sorted(names(found(database, "id", lakes))) == ["customers", "orders"]
    good = Filters(quality=0.9)
    assert names(found(database, "id", good)) == ["orders"]
    domain = Filters(domains=["customer"])
    assert names(found(database, "id", domain)) == ["customers"]
    annotate(database, "orders", {"domain": "customer"})
    annotate(database, "customers", {"domain": "people"})
    assert names(found(database, "id", domain)) == ["orders"]
    both = Filters(source_types=[SourceType.FILE_SYSTEMS], domains=["customer"])
    assert names(found(database, "id", both)) == []
    assert left_out(database, understand(database, "id"), both) == {"source_types": 2, "domains": 2}


def test_roots_and_clearance_hide_datasets_and_only_clearance_is_counted(lake: Path, database: Database) -> None:
    crawl(str(lake), database)
    annotate(database, "orders", {"classification": "restricted"})
    hits = found(database, "id", Filters(clearance=Classification.INTERNAL))
    assert (sorted(names(hits)), hits.found, hits.withheld) == (["customers", "returns"], 2, 1)
    inside = Filters(roots=[str(lake / "orders")])
    assert names(found(database, "id", inside)) == ["orders"]
    assert names(found(database, "id", Filters(roots=[str(lake / "order")]))) == []
    assert names(found(database, "id", Filters(roots=[]))) == []


def test_the_ranking_is_the_formula(lake: Path, database: Database) -> None:
    crawl(str(lake), database)
    hits = found(database, "customer order")
    assert hits.best
    for row in hits.best:
        sum_ = (
            0.5 * (row["quality"] or 0)
            + 0.3 * row["relevance"]
            + 0.1 * row["freshness"]
            + 0.1 * row["schema_completeness"]
        )
        assert row["score"] == pytest.approx(sum_ * row["source_weight"])
        assert row["source_weight"] == {"data_lake": 1.2, "file_systems": 0.8}[row["description"]["source_type"]]
        assert 0.9 < row["freshness"] <= 1
    assert max(row["relevance"] for row in hits.best) == 1


def test_of_very_many_only_the_cap_is_looked_at_and_the_answer_says_so(database: Database, tmp_path: Path) -> None:
    content = parquet(tmp_path / "one.parquet", a=[1]).read_bytes()
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(CAP + 10):
        (folder / f"thing{number}.parquet").write_bytes(content)
    crawl(str(folder), database)
    hits = found(database, "thing")
    assert (hits.found, hits.capped, len(hits.best)) == (CAP, True, 10)


def test_a_filter_leaves_the_same_whether_what_passes_it_is_known_to_be_common_or_not(
    lake: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before ANALYZE the index has to find them, after it they are looked at one by one."""
    crawl(str(lake), database)
    for common in (2.0, 0.0):
        monkeypatch.setattr("tools.discovery.search._COMMON", common)
        # What was known before is forgotten.
        _marks.cache_clear()
        for words, kinds, domains, expected in (
            ("order", [SourceType.DATA_LAKE], [], {"orders"}),
            ("order", [SourceType.DATA_LAKE, SourceType.FILE_SYSTEMS], [], {"orders", "returns"}),
            ("*", [SourceType.FILE_SYSTEMS], [], {"returns"}),
            ("order", [SourceType.STREAMING], [], set()),
            ("id", [], ["orders"], {"orders"}),
            ("id", [], ["customer", "returned orders", "the"], {"customers"}),
            ("*", [SourceType.DATA_LAKE], ["orders", "returns"], {"orders"}),
        ):
            assert set(names(found(database, words, Filters(source_types=kinds, domains=domains)))) == expected
