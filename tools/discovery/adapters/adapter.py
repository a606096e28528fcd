"""The seam between the catalog and the places where data is."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import TYPE_CHECKING, NamedTuple, Protocol

from core.errors import CrewlineError, InputError, SourceError
from tools.discovery.dataset import Description
from tools.url import public

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = "crewline.adapters"


class Part(NamedTuple):
    """What of a source can change by itself: a file, a table, a topic, a document.

    `name` is its path or URL, without password. `version` is found without reading the part, and another one when it
    has changed; None says nothing, so the part is read in every crawl.
    """

    name: str
    version: str | None


class Adapter(Protocol):
    """Reads the metadata of one source.

    `source` is its URL without password: its key in the catalog, and enough to come again. Methods raise SourceError,
    or what their libraries raise, also when the source cannot be reached now: the catalog keeps what it knew.
    """

    source: str

    def parts(self) -> Iterable[Part]:
        """All parts that there are now. What is missing here is taken for gone."""
        ...

    def read(self, part: str) -> Sequence[Description]:
        """What the part holds: a piece of a dataset, whole datasets, or nothing. Called from several threads."""
        ...

    def sample(self, dataset: Description, columns: Sequence[str], rows: int) -> "pa.Table | None":
        """Up to so many rows of these columns, or None from a source that gives no rows. Called from one thread."""
        ...


@contextmanager
def guarded(place: str) -> Iterator[None]:
    """Whatever an adapter's library raises in the block comes out as SourceError, or as the CrewlineError that it is.

    File systems of fsspec and adapters of other packages have errors of their own, which nobody here can list.
    """
    try:
        yield
    except CrewlineError:
        raise
    except Exception as error:
        words = " ".join(str(error).replace(place, public(place)).split()).rstrip(".")[:500]
        raise SourceError(
            public(place),
            f"it cannot be read: {type(error).__name__}: {words}.",
            remedy="See that it is there and whole, and may be read.",
        ) from error


# Makes the adapter for a URL. Raises InputError for one that is not of its kind.
Factory = Callable[[str], Adapter]


def adapter(url: str) -> Adapter:
    """The adapter for a path or URL, chosen by its scheme.

    Built in: `postgresql://`, `kafka://`, `http(s)://` (an OpenAPI document), paths that end in `.duckdb`; every other
    is of a file system of fsspec. A package adds a scheme by an entry point of that name in the group
    `crewline.adapters`.
    Raises InputError for a scheme that nobody knows.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else "file"
    if scheme == "file" and url.endswith(".duckdb"):
        from tools.discovery.adapters.duckdb_file import DuckDBAdapter

        return DuckDBAdapter(url)
    return _factory(scheme)(url)


@cache
def _added() -> EntryPoints:
    """What other packages add. To ask for it reads the metadata of every installed package."""
    return entry_points(group=GROUP)


def _factory(scheme: str) -> Factory:
    # Each brings in a library that only its sources need.
    match scheme:
        case "postgresql" | "postgres":
            from tools.discovery.adapters.postgres import PostgresAdapter

            return PostgresAdapter
        case "kafka":
            from tools.discovery.adapters.kafka import KafkaAdapter

            return KafkaAdapter
        case "http" | "https":
            from tools.discovery.adapters.openapi import OpenAPIAdapter

            return OpenAPIAdapter
    for point in _added():
        if point.name == scheme:
            factory: Factory = point.load()
            return factory
    import fsspec

    if scheme not in fsspec.available_protocols():
        raise InputError(
            f"Nothing here reads '{scheme}://'.",
            remedy=f"Install a package that offers it: a file system of fsspec, or an entry point of {GROUP}.",
        )
    from tools.discovery.adapters.files import FilesAdapter

    return FilesAdapter
