"""Kafka: topics, their sampled schema, and the rate at which messages come."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from core.errors import InputError, SourceError
from tools.discovery.adapters import registry
from tools.discovery.adapters.adapter import Part
from tools.discovery.adapters.json_text import table
from tools.discovery.adapters.records import columns_of
from tools.discovery.dataset import Column, Description, SourceType
from tools.url import public

if TYPE_CHECKING:
    import pyarrow as pa

# Messages that a topic is judged by: its newest.
_SAMPLE = 200

_PATIENCE_S = 10.0


class KafkaAdapter:
    """The topics of a cluster: `kafka://host:9092`, with `?registry=http://host:8081` if it has a schema registry.

    A topic's version is made of the offsets of its partitions. Columns are those of the registry's newest schema for
    its values, else of the newest messages that are JSON objects; the rate is that of these messages, by their times.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.netloc:
            raise InputError(f"{public(url)} names no broker.", remedy="It looks like kafka://host:9092.")
        self._brokers = parts.netloc.rpartition("@")[2]
        self._registry = next(iter(parse_qs(parts.query).get("registry", [])), None)
        self.source = public(url)

    def parts(self) -> Iterator[Part]:
        with self._consumer() as consumer:
            for name, topic in sorted(consumer.list_topics(timeout=_PATIENCE_S).topics.items()):
                # Two underscores begin the names of Kafka's own.
                if not name.startswith("__"):
                    yield Part(self._location(name), self._version(consumer, name, topic))

    def read(self, part: str) -> Sequence[Description]:
        name = unquote(part.rpartition("/")[2])
        with self._consumer() as consumer:
            offsets = self._offsets(consumer, name)
            messages = self._newest(consumer, name, offsets, _SAMPLE)
        values = [_value(message.value()) for message in messages]
        records = [value for value in values if isinstance(value, dict)]
        declared = registry.columns(self._registry, name) if self._registry else None
        retained = sum(high - low for low, high in offsets.values())
        return [
            Description(
                location=part,
                name=name,
                source_type=SourceType.STREAMING,
                format=declared.format if declared else "json" if records else "bytes" if messages else "unknown",
                columns=_with_nulls(declared.columns, records) if declared else columns_of(records),
                rows=retained,
                # Compaction and transactions leave offsets without a message.
                rows_estimated=True,
                updated_at=max(filter(None, map(_time, messages)), default=None),
                rate=_rate(messages),
                measured_rows=len(records) or None,
                measured_by=f"the newest {len(records)} messages" if records else None,
                fault=f"{len(values) - len(records)} of {len(values)} sampled messages of {name} are no JSON objects."
                if records and len(records) < len(values)
                else None,
            )
        ]

    def sample(self, dataset: Description, columns: Sequence[str], rows: int) -> "pa.Table | None":
        name = unquote(dataset.location.rpartition("/")[2])
        with self._consumer() as consumer:
            messages = self._newest(consumer, name, self._offsets(consumer, name), min(rows, 10_000))
        records = [value for value in (_value(message.value()) for message in messages) if isinstance(value, dict)]
        return table(records, columns) if records else None

    def since(self, topic: str, positions: Mapping[int, int], most: int) -> tuple[list[Any], dict[int, int]]:
        """Up to so many messages of a topic, as the client gives them, from a position in each partition on: its first
        message, where none is given. Also, for each partition, how many were removed before they were read.

        Raises SourceError.
        """
        with self._consumer() as consumer:
            offsets = self._offsets(consumer, topic)
            starts = {n: max(low, positions.get(n, low)) for n, (low, _) in offsets.items()}
            lost = {n: starts[n] - positions[n] for n in starts.keys() & positions.keys() if starts[n] > positions[n]}
            behind = {n: start for n, start in starts.items() if start < offsets[n][1]}
            return self._consumed(consumer, topic, behind, offsets, most), lost

    def _location(self, topic: str) -> str:
        return f"kafka://{self._brokers}/{quote(topic, safe='')}"

    def _version(self, consumer: Any, name: str, topic: Any) -> str | None:
        if topic.error is not None:
            # It is told when it is read.
            return None
        return ",".join(f"{n}:{low}-{high}" for n, (low, high) in self._offsets(consumer, name, topic).items())

    def _offsets(self, consumer: Any, name: str, topic: Any = None) -> dict[int, tuple[int, int]]:
        """The first and the next offset of each partition."""
        from confluent_kafka import TopicPartition

        topic = topic or consumer.list_topics(name, timeout=_PATIENCE_S).topics[name]
        if topic.error is not None:
            raise SourceError(
                self._location(name), f"the topic cannot be read: {topic.error.str()}.", remedy="Crawl again."
            )
        return {
            number: consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_PATIENCE_S)
            for number in sorted(topic.partitions)
        }

    def _newest(self, consumer: Any, name: str, offsets: dict[int, tuple[int, int]], wanted: int) -> list[Any]:
        """About so many messages from the ends of the partitions."""
        each = max(1, wanted // max(1, len(offsets)))
        starts = {number: max(low, high - each) for number, (low, high) in offsets.items() if high > low}
        return self._consumed(consumer, name, starts, offsets, each * len(offsets))

    def _consumed(
        self, consumer: Any, name: str, starts: dict[int, int], offsets: dict[int, tuple[int, int]], most: int
    ) -> list[Any]:
        """The messages from these starts to the ends that the partitions had, at most so many."""
        from confluent_kafka import TopicPartition

        consumer.assign([TopicPartition(name, number, start) for number, start in starts.items()])
        messages: list[Any] = []
        open_, deadline = set(starts), time.monotonic() + _PATIENCE_S
        while open_ and len(messages) < most and time.monotonic() < deadline:
            for message in consumer.consume(num_messages=most - len(messages), timeout=0.2):
                if message.error() is not None:
                    # The end of a partition is one of them; another one loses this partition's messages only.
                    open_.discard(message.partition())
                elif message.offset() < offsets[message.partition()][1]:
                    messages.append(message)
                    if message.offset() + 1 >= offsets[message.partition()][1]:
                        open_.discard(message.partition())
        consumer.unassign()
        return messages

    @contextmanager
    def _consumer(self) -> Iterator[Any]:
        try:
            from confluent_kafka import Consumer, KafkaException
        except ImportError as error:
            raise InputError("Kafka needs a client.", remedy="Install crewline[kafka].") from error
        consumer = Consumer(
            {
                "bootstrap.servers": self._brokers,
                # Required, and never used: nothing is committed, no group is joined.
                "group.id": "crewline-discovery",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "allow.auto.create.topics": False,
                "socket.timeout.ms": int(_PATIENCE_S * 1000),
                # What fails is raised; librdkafka would also write it on standard error.
                "log_level": 0,
                "error_cb": lambda error: None,
            }
        )
        try:
            yield consumer
        except KafkaException as error:
            raise SourceError(
                self.source,
                f"the cluster cannot be read: {error.args[0].str()}.",
                remedy="Start it, or correct its address.",
            ) from error
        finally:
            consumer.close()


def _value(content: bytes | None) -> Any:
    """The message's JSON value, None if it is none. A registry's messages have five bytes before it."""
    if content is None:
        return None
    try:
        return json.loads(content[5:] if content[:1] == b"\0" else content)
    except (ValueError, RecursionError):
        return None


def _time(message: Any) -> datetime | None:
    kind, milliseconds = message.timestamp()
    # 0 says that the message has none.
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if kind else None


def _rate(messages: Sequence[Any]) -> float | None:
    """Messages a second: over each partition the intervals between its sampled messages, the partitions added up."""
    times: dict[int, list[datetime]] = defaultdict(list)
    for message in messages:
        if at := _time(message):
            times[message.partition()].append(at)
    rates = [
        (len(seen) - 1) / span
        for seen in times.values()
        if len(seen) > 1 and (span := (max(seen) - min(seen)).total_seconds()) > 0
    ]
    return sum(rates) if rates else None


def _with_nulls(columns: tuple[Column, ...], records: Sequence[dict[str, Any]]) -> tuple[Column, ...]:
    if not records:
        return columns
    return tuple(
        column.model_copy(
            update={"null_share": sum(record.get(column.name) is None for record in records) / len(records)}
        )
        for column in columns
    )
