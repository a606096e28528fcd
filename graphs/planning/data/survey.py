"""survey: the datasets below a folder, as far as a plan needs to know them: crawled, profiled, and linked."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.classification import Classification
from core.errors import InputError, SourceError
from core.settings import settings
from core.spec.column import check_given
from core.stop import Stop
from core.store import Database
from graphs.planning.data.dataset import Column, Dataset, Survey
from graphs.planning.data.dates import written_dates
from graphs.planning.data.key import key_of, repeated
from graphs.planning.data.learning import learned
from graphs.planning.data.linking import links
from graphs.planning.data.notation import could_be_thousands, written_numbers
from graphs.planning.data.outliers import within_bounds
from tools.context import ToolContext
from tools.discovery import Discovery, DiscoveryRequest, discover
from tools.discovery.adapters.layout import place
from tools.discovery.crawler import crawl
from tools.discovery.dataset import Description
from tools.discovery.words import folded, words
from tools.engine.engine import Engine
from tools.engine.files import find, open_file
from tools.engine.session import session
from tools.publication.target import is_target
from tools.quality.profile import profile
from tools.sources.dialect import delimiter_of, encoding_of
from tools.sources.opening import Files, Opened, open_files

# So many datasets are looked at; who has more names those that matter by a narrower folder.
_MOST = 100

# Different texts of a column that are looked at.
_SAMPLE = 2_000


def survey(sources: str, database: Database, stop: Stop | None = None) -> Survey:
    """Look at all data files below a folder or URL, and bring the catalog up to date with it.

    Raises SourceError where the folder cannot be listed, InputError where nothing in it can be read.
    """
    crawl(sources, database, stop)
    found = _discovered(sources, database)
    unread = {failure.part or failure.source: failure.reason for failure in found.failures}
    datasets: dict[str, Dataset] = {}
    cells: dict[str, Any] = {}
    with session(stop=stop) as (engine, scratch):
        for ranked in sorted(found.datasets, key=lambda one: one.description.location):
            described = ranked.description
            if made := _made(sources, described.location):
                unread[made] = made
                continue
            try:
                name = _name(described.name, datasets)
                datasets[name], cells[name] = _dataset(engine, scratch, name, described)
            except SourceError as error:
                unread[described.location] = error.what
        linked = list(links(engine, found, datasets, cells))
    if not datasets:
        why = "; ".join(unread.values()) or "it has no CSV, JSON lines or Parquet file"
        raise InputError(f"Nothing in {sources} can be read: {why}.", remedy="Give a folder with data files.")
    return Survey(sources, datasets, linked, unread)


def _discovered(sources: str, database: Database) -> Discovery:
    root = sources if "://" in sources else str(Path(sources).resolve())
    context = ToolContext(agent="planner", roots=(root,), clearance=Classification.RESTRICTED)
    everything: dict[str, Any] = {"source_types": [], "domains": [], "quality_threshold": 0.0, "max_results": _MOST}
    return discover(DiscoveryRequest(query="*", **everything), context, database)


def _made(sources: str, location: str) -> str:
    """Why a dataset below the sources is none of them: a pipeline published it, or it is among the data of runs."""
    if "://" in sources:
        return ""
    root, home = Path(sources).resolve(), settings().home.resolve()
    below = [path for path in (Path(location), *Path(location).parents) if root in path.parents]
    if home in below:
        return f"{home} has the data of runs"
    target = next((path for path in below if is_target(path)), None)
    return f"{target} is what a pipeline published, and read only if it is named itself" if target else ""


def _name(found: str, taken: Iterable[str]) -> str:
    """A name that a spec can have, and that no other dataset has."""
    plain = "_".join(plain for word in words(found) if (plain := re.sub("[^a-z0-9]", "", folded(word)))) or "data"
    name, number = plain[:50], 2
    while name in taken:
        name, number = f"{plain[:50]}_{number}", number + 1
    return name


def _dataset(engine: Engine, scratch: Path, name: str, described: Description) -> tuple[Dataset, Any]:
    """The dataset, and its cells."""
    path = _pattern(described)
    opened = open_files(engine, name, Files(path=path), scratch)
    cells = opened.cells(engine)
    found = profile(engine, cells)
    usable = [column for column in found.columns if _usable(column.name)]
    columns = {column.name: learned(column, found.rows) for column in usable}
    columns |= within_bounds(engine, cells, columns)
    for column in columns.values():
        texts = cells[column.name].type().is_string()
        if column.kind == "text" or (
            texts and column.kind == "number" and (column.share < 1 or column.type == "float")
        ):
            columns[column.name] = _written(engine, cells, column)
    left_out = [column.name for column in found.columns if column not in usable]
    source, remarks = _source(opened, path)
    dataset = Dataset(
        name=name,
        location=described.location,
        source=source,
        rows=found.rows,
        columns=columns,
        unreadable=len(opened.unreadable),
        remarks=(*remarks, *(f"no pipeline can have the column '{column}'" for column in left_out)),
    )
    if repeating := repeated(dataset):
        dataset = replace(dataset, copies=found.rows - engine.count(cells.distinct()))
        left = [column for column in repeating if not dataset.identifies(column)]
        dataset = replace(dataset, remarks=(*dataset.remarks, *(_repeats(dataset, column) for column in left)))
    return replace(dataset, key=key_of(dataset, described.primary_key)), cells


def _repeats(dataset: Dataset, column: str) -> str:
    rows = dataset.rows - dataset.copies - dataset.columns[column].distinct
    return (
        f"{column} is called like the key of {dataset.name}, but {rows:,} rows repeat one with other values: all of"
        " them count"
    )


def _pattern(described: Description) -> str:
    """What finds the dataset's files, and no other dataset's."""
    location = described.location
    if described.partition_keys:
        return f"{location}/**/*.{described.format}"
    folder = "" if "://" in location else str(Path(location).parent)
    others = [file for file in find(location, folder) if (there := place(file.path)) and there.location != location]
    # The number that the mark stands for begins with a digit; what else the mark would find does not.
    return location.replace("*", "[0-9]*") if others and "://" not in location else location


def _usable(column: str) -> bool:
    try:
        check_given(column)
    except ValueError:
        return False
    return True


def _source(opened: Opened, path: str) -> tuple[dict[str, str], list[str]]:
    """What a spec says of the files, and what is worth saying of those that are otherwise than most."""
    ending = Path(opened.parts[0].path).suffix.lower()
    if ending in (".parquet", ".pq"):
        return {"kind": "parquet", "path": path}, []
    if ending not in (".csv", ".tsv"):
        return {"kind": "jsonl", "path": path}, []
    dialects: dict[tuple[str, str], list[str]] = {}
    for part in opened.parts:
        with open_file(part.path) as file:
            encoding: str = encoding_of(file)
            delimiter = "\t" if ending == ".tsv" else delimiter_of(file, encoding_of(file))
        dialects.setdefault((delimiter, encoding), []).append(part.path)
    (delimiter, encoding), _ = max(dialects.items(), key=lambda found: len(found[1]))
    source = {"kind": "csv", "path": path}
    source |= {"delimiter": delimiter} if delimiter != "," else {}
    source |= {"encoding": encoding} if encoding != "utf-8" else {}
    told = {} if encoding == "utf-8" else {encoding: "as its mark says"}
    if encoding in ("latin-1", "windows-1252"):
        told = {encoding: "as most of its lines beyond ASCII are no UTF-8"}
    others = {other: files for other, files in dialects.items() if other != (delimiter, encoding)}
    return source, [
        *(f"it is written in {code}, {why}" for code, why in told.items()),
        *(
            f"{', '.join(files)} is delimited by {other!r} and written in {code}, unlike the others"
            for (other, code), files in others.items()
        ),
    ]


def _written(engine: Engine, cells: Any, column: Column) -> Column:
    """The column, with what reads its texts as dates or numbers, if something does."""
    distinct = cells.select(column.name).distinct().limit(_SAMPLE)
    texts = [text.strip() for row in engine.rows(distinct) if (text := row[column.name])]
    if not texts or not any(any(map(str.isdigit, text)) for text in texts[:20]):
        return column
    if numbers := written_numbers(column.name, texts, whole=len(texts) < _SAMPLE):
        remark = f"{numbers.told}: {numbers.share:.1%} of its texts are"
        if column.kind == "number" and not (numbers.other and numbers.share > column.share):
            return column
        found = replace(column, type="string", values=(), checks=(), remark=remark, nearly="", plain=numbers.rules)
        return replace(found, share=numbers.share)
    if column.kind == "number":
        doubt = "all of its fractions have three digits: if these are thousands, it is a thousand times as much"
        return replace(column, doubt=doubt if could_be_thousands(texts) else "")
    if dates := written_dates(texts):
        return Column(
            column.name,
            "string",
            dates.share,
            column.missing,
            column.distinct,
            dates.formats,
            remark=dates.remark,
            turned=dates.turned,
            timed=dates.timed,
        )
    return column
