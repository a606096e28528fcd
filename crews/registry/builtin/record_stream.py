"""Streams of records: folders whose files grow, and Kafka topics, read on from where one was."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from core.errors import InputError, SourceError
from tools.context import ToolContext
from tools.discovery.adapters.kafka import KafkaAdapter
from tools.url import public

_ENDS = (".jsonl", ".ndjson")


class Message(NamedTuple):
    """A record as it came. `part` is its file or partition, `following` the position after it there."""

    part: str
    following: int
    content: bytes
    place: str


# The messages, and of parts how many were removed before they could be read.
Messages = tuple[Sequence[Message], Sequence[tuple[str, int]]]


class Stream(Protocol):
    """`name` is the stream's place, by which offsets are kept."""

    name: str

    def since(self, positions: Mapping[str, int], most: int) -> Messages:
        """Up to so many messages after these positions. Raises SourceError."""
        ...


def stream_at(place: str, context: ToolContext) -> Stream:
    """The stream at a folder or a URL, within the roots of the context. Raises InputError, SourceError, Refused."""
    where = context.path(place)
    if where.startswith("kafka://"):
        return TopicStream(where)
    if "://" in where:
        raise InputError(f"{public(where)} is no stream.", remedy="Give a folder, or kafka://host:9092/topic.")
    if not Path(where).is_dir():
        raise SourceError(where, "it is no folder.", remedy="Give the folder whose JSON lines files grow.")
    return FolderStream(Path(where), context)


class FolderStream:
    """The lines of all JSON lines files of a folder, in the order of their names. A line counts once it has ended.

    Positions are in bytes. A file must grow at its end only.
    """

    def __init__(self, folder: Path, context: ToolContext) -> None:
        self.name = str(folder)
        self._folder = folder
        self._context = context

    def since(self, positions: Mapping[str, int], most: int) -> Messages:
        found: list[Message] = []
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(_ENDS))
            for name in names:
                if len(found) < most:
                    found += self._lines(name, positions.get(name, 0), most - len(found))
        except OSError as error:
            raise SourceError(self.name, f"it cannot be read: {error}.", remedy="Mend that, and come again.") from error
        return found, ()

    def _lines(self, name: str, position: int, most: int) -> list[Message]:
        path = Path(self._context.path(str(self._folder / name)))
        if path.stat().st_size < position:
            raise SourceError(
                self.name,
                f"{name} is shorter than what was read of it.",
                remedy="Let files of a stream grow only; give what replaces one another name.",
            )
        found: list[Message] = []
        with path.open("rb") as file:
            file.seek(position)
            while len(found) < most and (line := file.readline()).endswith(b"\n"):
                position += len(line)
                found.append(Message(name, position, line, f"{name}, up to byte {position}"))
        return found


class TopicStream:
    """The messages of a Kafka topic. Positions are offsets, by partition. What retention removed is told."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._topic = unquote(parts.path.strip("/"))
        if not self._topic or "/" in self._topic:
            raise InputError(f"{public(url)} names no topic.", remedy="It looks like kafka://host:9092/topic.")
        self.name = public(url)
        self._adapter = KafkaAdapter(f"kafka://{parts.netloc}")

    def since(self, positions: Mapping[str, int], most: int) -> Messages:
        messages, lost = self._adapter.since(self._topic, {int(part): at for part, at in positions.items()}, most)
        found = [
            Message(
                str(message.partition()),
                message.offset() + 1,
                message.value() or b"",
                f"partition {message.partition()}, offset {message.offset()}",
            )
            for message in messages
        ]
        return found, [(f"partition {part}", n) for part, n in sorted(lost.items())]
